// Package redact turns what a log must not show into something that it may.
//
// A user's id is health data in the company of a night, yet a log without it
// cannot be followed. [User] stands for an id in a log: the same id always
// gives the same short digest, so lines of one user can be found, and the id
// itself is not in them. Ids that can be guessed can be recognised by whoever
// hashes the guesses: a digest hides ids from a glance and from a search, not from an
// attacker who has a list of them.
//
// Nothing here fails, blocks or keeps state.
package redact
