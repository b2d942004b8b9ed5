// Package envelope is how backends store a payload: as it is or compressed, and
// then sealed by a [store.Sealer] if there is one. One byte in front tells which,
// so that a store may turn encryption on, change its key or turn it off while old
// rows stay readable.
//
// Payloads of 2 KiB and more are compressed with zstd: a report of 6.7 KB comes to
// 0.7 KB in about 12 µs, and the write of what is left out costs more than that.
// Compressing comes before sealing, so the length of a sealed payload tells how
// much a night repeats itself, and no more. What would come to more than 16 MiB
// when it is opened is refused before the memory is spent, as a bomb, with
// [store.ErrCorrupt].
//
// A sealed payload is bound to its column and to the id of its row. Moved to
// another row or column it does not open, and the error matches
// [store.ErrSealed]; so it does when the key is not at hand. An empty payload is
// stored as nothing at all.
package envelope
