// Package client is the SDK for the Asleep sleep-tracking API: every operation
// as a method that is safe to call against a slow, failing or lying upstream.
package client
