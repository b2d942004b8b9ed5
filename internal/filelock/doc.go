// Package filelock keeps two processes from writing the same file.
//
// # The model
//
// [Take] locks the name of a file by an operating-system lock on FILE.lock beside
// it, which a process holds until [Lock.Release] or its end, however it ends:
// kill -9 frees it too. FILE itself is not touched, so it may be replaced by a
// rename meanwhile. Release removes FILE.lock; one that a killed process left
// behind is in nobody's way.
//
// # How it fails
//
// [ErrHeld] when another process, or another lock of this one, has it; other
// errors when FILE.lock cannot be made. Nothing waits. The lock is advisory and
// holds among processes of one machine: whether it does on a network file
// system is for that file system to say.
package filelock
