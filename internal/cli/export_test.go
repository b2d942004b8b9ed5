package cli

// What the tests of the command need from inside.
var (
	UntilSignal = untilSignal
	ExitCodeOf  = exitCodeOf
	Indent      = indent
	Span        = span
	Local       = local
	Cell        = cell
)
