// Ferret is a server for tests that speaks MongoDB's wire protocol: FerretDB v1
// over SQLite, from a module of its own, so that nothing else has to download it.
//
//	ferret DIR PORT
//
// It keeps its files in DIR, listens on 127.0.0.1:PORT, and ends on SIGTERM.
//
// FerretDB reads, changes and writes a document in separate steps, so that one
// of two concurrent updates can be lost. MongoDB does not lose any, so a proxy
// stands in front that lets one command through at a time, over all connections.
package main
