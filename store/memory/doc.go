// Package memory is a [store.Store] that forgets everything when it is closed.
// It is for tests and for trying things out, and it is the oracle that other
// backends are compared with: the rules of package store, written as plainly as
// possible.
//
// One mutex guards all of it, so that every method is one step to all others.
// Lists sort what they select; nothing is indexed. It keeps time by the time
// package and thus works in synctest bubbles, and it starts no goroutine.
//
// It fails only on invalid arguments, ended contexts, and after Close.
package memory
