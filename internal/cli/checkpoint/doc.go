// Package checkpoint keeps on disk how far a fetch has come.
//
// # The model
//
// A [State] says which users are done, as the client's resume token, and how many
// bytes of the output and of the error file belong to them. [State.Save] replaces
// the file whole: a temporary file beside it is written, made durable and renamed,
// and the directory made durable. So there is always one whole checkpoint, and
// once a save returns, a crash of the machine cannot undo it. What it counts must
// have been made durable before.
//
// A checkpoint holds neither the API key nor user ids, and only its owner may
// read it.
//
// # How it fails
//
// [Load] refuses what it does not understand, each time with what to do:
// [ErrInvalid] for a file that is no checkpoint or is damaged, [ErrNewer] for one of
// a later version. A save that fails leaves the checkpoint before it.
package checkpoint
