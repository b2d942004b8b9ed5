// Package cli is the command asleep.
//
// # The model
//
// [Main] gives [Run] what the operating system gives a program: arguments,
// environment, [Streams], and a context that ends with the first SIGINT or
// SIGTERM. Run may be called many times in one process; there are no globals.
//
// A run has one app: the streams, the settings, the log, and the list of problems.
// Each command is a file with an options struct; its flags point into the
// struct, and its method run does the work. Before run the root command binds the
// environment to the flags: a flag that is not given takes the variable
// ASLEEP_ plus its name in upper case, from the environment or from .env. A flag's
// value that makes no sense does not end the run by itself: run collects what else is
// wrong, asks app.client for a client, and returns app.refusal, which lists all
// problems at once. Nothing has been sent by then.
//
// # Output
//
// Data goes to stdout and nothing else does: notes, questions, logs and errors
// go to stderr. Tables are for people: local times of the session's zone, rounded
// figures. JSON is what the service sent, unknown members included; package
// ndjson adds the user id. CSV has the fixed columns that "asleep help formats"
// lists.
//
// # Fetch
//
// fetch is a batch of the client with files around it. Package userlist reads the
// users, package appendfile writes output and error file, package checkpoint
// keeps how far it came; fetchSink ties the three together: what a checkpoint
// counts has been made durable before. docs/fetch.md is its manual.
//
// # Store
//
// The settings name a database: app.database judges them, database.open opens it,
// and database.fail makes its errors ones of the command. storeBackends is the list
// of what is known. With --store a fetch has a storeSink beside its files, and the
// commands that read ask the database instead of the service.
//
// # How it fails
//
// An error becomes one line on stderr that begins with "asleep:" and says what
// to do, or with --log-format json one JSON object, and an [ExitCode]. The mapping
// from errors of the client stands in exit.go alone, that of the store's in
// open_store.go. The first signal ends the
// context, so that work in hand can be finished and saved; the second ends the
// process at once. The API key is in no line, user ids only in data and as
// digests in logs.
package cli
