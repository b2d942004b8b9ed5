// Package ndjson writes JSON objects of the service as lines that say whose
// they are.
//
// # The model
//
// A line is the object as it came, compacted to one line, with the member
// user_id before all others: {"user_id":"u1","session_id":…}. Names, order,
// spelling of numbers and texts, and members nobody knows stay as they are. A
// member user_id that the object already had, however it is spelled, gives way to
// the one that is put first, so that no line has it twice. [AppendObject] makes such an
// object; [Writer] writes lines.
//
// # How it fails
//
// What is not a JSON object is an [ErrNotObject], and nothing of it is written. A
// line is given to the underlying writer in one call, so a line is whole
// wherever the writer keeps writes whole. A Writer is for one goroutine.
package ndjson
