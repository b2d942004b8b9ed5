// Package envelope is how backends store a payload: as it is, or sealed by a
// [store.Sealer]. One byte in front tells which, so that a store may turn
// encryption on, change its key or turn it off while old rows stay readable.
//
// A sealed payload is bound to its column and to the id of its row. Moved to
// another row or column it does not open, and the error matches
// [store.ErrSealed]; so it does when the key is not at hand. An empty payload is
// stored as nothing at all.
package envelope
