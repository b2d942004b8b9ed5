// Package appendfile writes a file of lines that a crash can be mended in.
//
// # The model
//
// A [File] grows by groups of bytes, each a number of whole lines: Write adds to the
// group, Mark ends it. Groups go to the file together, never in part, so the
// file ends with whole lines whenever nothing is being written. [File.Sync]
// makes them durable and tells the size of the file: who records that size (a
// checkpoint) may after a crash open the file there again, and whatever came
// behind it, whole or torn, is cut off.
//
// Opening changes nothing: the cut is made with the first write, so that a
// run that finds itself refused after all has not destroyed anything. A device
// or a pipe, and [Stream], cannot be cut: each group is written at once.
//
// # How it fails
//
// [Open] refuses a file that has content nobody asked to continue or replace
// ([ErrExists]), and one that is not what a checkpoint says ([ErrChanged]). When a
// write fails, as on a full disk, the part that was written is cut off again; the
// error is returned then and ever after. A process killed in the middle of a write
// may leave the last line torn; it lies behind every size that Sync told. A File is
// for one goroutine.
package appendfile
