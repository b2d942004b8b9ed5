// Package userlist reads the users of a batch: ids from a file, a stream or a
// command line, any number of them in constant memory.
//
// # The model
//
// A [List] is a sequence of positions, one for each id that was given. The ids
// of [Input].IDs come first, then the lines of the source. [List.All] yields
// them in order; [List.Place] tells, for the positions that are being worked
// on, which line one came from.
//
// A line holds one id. White space around it, a carriage return and a
// byte-order mark are no part of it; blank lines and lines that begin with #
// are passed over. A line that begins with { is JSON, and the id is its member
// user_id: so a list of the users who failed, one JSON object a line, is a list
// of users. Ids are opaque; what the service could not be asked for is for the
// client to refuse.
//
// # How it fails
//
// A line that is no text (invalid UTF-8), is longer than [MaxLine] or is JSON
// without an id does not end the list, and is not lost either: its position
// holds a stand-in that no service is asked for, since it has a control
// character, and its Place says what is wrong. The stand-in follows from the
// bytes of the line alone, so that a second reading yields the same one.
//
// A source that cannot be opened, is a directory, is UTF-16, breaks off or
// names nobody ([ErrEmpty]) ends the sequence with an error that names it. So
// does the end of the context, even while a stream blocks.
package userlist
