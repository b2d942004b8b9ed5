// Package pipelinelab has no code of its own: its tests run the webhook pipeline
// over a real database, which the tests of package webhook must not link.
package pipelinelab
