// Package memory is the near tier of a cache: decoded values in this process,
// bounded by the bytes they hold on to.
//
//	near, err := memory.New(memory.Options{MaxBytes: 256 << 20})
//	c, err := cache.New(near)
//
// Entries live in an otter cache (github.com/maypok86/otter), which forgets the
// ones least likely to be asked for again when room is wanted, and lets reads
// pass without a lock. Beside it stands an index from an owner to the keys of that
// owner, so that taking back one user's values does not walk through all. What
// has had its time is not swept: nobody is shown it, and it goes when room is wanted
// or its owner's values are taken back.
//
// # How it fails
//
// It cannot: a value that does not fit is not kept. For a moment it may hold a
// little more than its bound, as room is made in the background. There is nothing
// to close; the goroutines that make room end by themselves.
package memory
