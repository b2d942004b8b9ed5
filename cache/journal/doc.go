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
// Until it is opened again, other processes may read what was erased: they have not heard of
// it, and a file is of one process (whether another has ended cannot be told over the folders
// that hosts share). Whoever cannot wait for that erases once more, from any process: to erase
// twice does no harm. Of the command that is "asleep users forget".
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
