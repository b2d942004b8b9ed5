// Package journal keeps in a file which erasures of a cache are still to be told to the
// tier that processes share.
//
//	diary, err := journal.Open("/var/lib/app/erasures")
//	c, err := cache.New(near, cache.WithFar(shared), cache.WithJournal(diary))
//
// # The model
//
// While the shared tier is away, what was erased here still stands there. The cache tells
// it before it reads from it again; a process that ends before could not. So the owner is
// written down, on the disk when [File.Add] returns, crossed out once the tier was told,
// and found again by the next process that opens the file.
//
// The file is text, a line an entry: a plus or a minus and the owner, an HMAC made with the
// API key. No user can be told from it. It is rewritten when it is opened, without what
// was crossed out.
//
// # How it fails
//
//	another process has it   [ErrHeld]: every process has a file of its own
//	the disk is full         Add returns the error, which the erasure then bears
//	killed while writing     a line that was cut off is passed over: its Add never returned
//	a line is foreign        Open refuses the file: what it should say may be an erasure
package journal
