// Package api holds the code generated from openapi.yaml that nobody outside
// sees: request builders and a client over any Doer for package client, and a
// server interface with its routing for the fake upstream. Bodies of answers
// are decoded by package client, by hand: bounded bytes, then the status, then
// the JSON.
//
// The configuration of the generator lies beside it: models.cfg.yaml makes
// package asleep, client.cfg.yaml makes this one. Overlays hold what only Go
// needs to know. Fix those, never the generated files; `make generate` runs
// the generator, `make verify` tells when a generated file is stale.
//
// The builders escape path parameters, but "", "." and ".." change the URL
// they build: callers reject such ids first.
package api
