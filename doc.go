// Package asleep is the vocabulary of the Asleep sleep-tracking service: what a
// night, its stages and its figures look like to a Go program. It imports the
// standard library only and makes no calls; package client does.
//
// # The model
//
// A user owns sessions. A [Session] is one recording, cut into epochs of 30
// seconds; each epoch has a [Stage], and where the plan includes it a
// [BreathStage] and a [SnoringStage]. A [Report] is a session together with its
// figures, the [Stat], rendered in one timezone. A [SessionSummary] is its line
// in a list. [AverageStats] are means over a period of dates.
//
// A session goes from OPEN (recording) to CLOSED (being analysed) to COMPLETE.
// [Report.Immutable] tells when a report will never change again, and thus may
// be kept; having a Stat is not the test.
//
// # Decoding is tolerant
//
// The types are generated from openapi.yaml, with hand-written ones where the
// wire has more than one form of a thing: [Timestamp], [ClockTime], [Stages],
// [SleepCycle], [SleepCycleTimes], [Detail], [Int]. They accept every form that
// has been seen and keep what they do not understand. In particular:
//
//   - a null among the stages is [StageUnknown], never [StageWake];
//   - enums are open strings: a state or a peculiarity that is new to this
//     package decodes as itself;
//   - a timestamp keeps its text and is parsed when it is asked for;
//   - a member of the wrong JSON type (an object where a number belongs) is an
//     error, for nothing sensible could be made of it.
//
// # Raw and encoding
//
// Report, SessionSummary, User, AverageStats and the bodies of webhooks keep the JSON
// object they were decoded from in their member Raw, an immutable string shared by
// copies. Whoever stores a value stores Raw: it holds the members that this package does
// not know yet. [ParseReport] and its sisters keep the string they are given without a
// copy.
//
// Encoding such a value with encoding/json gives Raw back as long as nothing
// was edited. When members were edited, exactly those are replaced: unknown
// members, numbers too large for their Go type and the order of members stay
// as they came. A value that was not decoded is encoded from its members alone.
//
// # Failures
//
// Nothing here does I/O, holds locks for long or panics on bad input: a body
// that is cut off, lies about its types or is not JSON is an error from the
// decoder. All values are plain data: reading one from several goroutines is
// safe, changing it is the owner's business.
package asleep
