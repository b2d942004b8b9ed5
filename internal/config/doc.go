// Package config reads settings from several places at once and reports
// everything that is wrong with them together.
//
// # The model
//
// A [Source] is one place that settings come from: the flags of a command, the
// environment, a .env file. A [Reader] asks its sources in order, the first that
// has a value wins, and an empty value counts as none. Its methods give typed
// values; a value that makes no sense becomes a [Problem] and the default is
// returned, so that reading goes on and the next problem is found as well.
// [Problems.Err] is the whole list as one error.
//
// [Upstream], [Logging], [Database] and [Caching] are groups of settings that belong together.
//
// # Secrets
//
// A secret NAME may instead lie in a file that NAME_FILE names ([Reader.Secret]).
// It becomes a [Secret], which no formatter, log or encoder prints, and no problem
// ever quotes it. Every other problem quotes the value.
//
// # Origins
//
// The reader remembers where each value came from: [Reader.Values] lists what was
// read, with secrets hidden.
//
// # How it fails
//
// Only by problems: an unreadable file, a number out of range, a word that is
// none of the choices. Nothing is guessed, nothing is printed, and nothing
// but the named files is read. A Reader is for one goroutine.
package config
