package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/config"
)

// app is one run of the command.
type app struct {
	Streams

	environ []string
	reader  *config.Reader // the settings, and the list of problems
	log     *slog.Logger
	logging config.Logging
	json    bool // the log is JSON
	origins map[string]origin
	started bool // the command line was understood, and a command began
}

// Run runs the command and returns its exit code. The context ends it early; if
// a signal did that, its cause says which.
func Run(ctx context.Context, p Process) ExitCode {
	a := &app{Streams: p.Streams, environ: p.Environ, reader: config.NewReader(), origins: map[string]origin{}}
	a.log = slog.New(slog.DiscardHandler)
	root := newRootCommand(a) //nolint:contextcheck // cobra hands ctx to the commands
	root.SetArgs(p.Args)
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	err := root.ExecuteContext(ctx)
	if err != nil && !a.started {
		err = usageError(err) // of cobra: an unknown command or flag
	}
	code := exitCodeOf(ctx, err)
	a.complain(ctx, err, code)
	return code
}

// prepare reads the settings and binds them to the flags of the command that
// is about to run.
func (a *app) prepare(cmd *cobra.Command) {
	a.started = true
	environment := config.Environment(a.environ)
	a.reader = config.NewReader(flagSource(cmd.Flags()), environment)
	if file, ok := a.dotEnv(); ok {
		problems := a.reader.Problems
		a.reader = config.NewReader(flagSource(cmd.Flags()), environment, file)
		a.reader.Problems = problems
	}
	a.bind(cmd.Flags())
	a.logging = config.ReadLogging(a.reader)
	a.json = a.logging.JSON
	a.log = a.logTo(a.Err)
}

// logTo is the log of the settings, written to w.
func (a *app) logTo(w io.Writer) *slog.Logger { return slog.New(newLogHandler(w, a.logging)) }

func newLogHandler(w io.Writer, l config.Logging) slog.Handler {
	options := &slog.HandlerOptions{Level: l.Level}
	if l.JSON {
		return slog.NewJSONHandler(w, options)
	}
	return slog.NewTextHandler(w, options)
}

// problem notes something wrong with a flag or an argument; what was noted is
// told together by refusal.
func (a *app) problem(subject, format string, args ...any) {
	a.reader.Add(subject, format, args...)
}

// refusal is the error that lists everything that is wrong, nil if nothing is.
// A command asks before it sends or writes anything.
func (a *app) refusal() error { return a.reader.Err() }

// client makes the client of the settings. What is wrong with them is noted as
// problems, and the client is nil then: ask refusal before using it.
func (a *app) client(opts ...client.Option) *client.Client {
	settings := config.ReadUpstream(a.reader, client.DefaultBaseURL)
	given := []client.Option{
		client.WithBaseURL(settings.BaseURL), client.WithUserAgent("asleep-cli"),
		client.WithTimeouts(client.Timeouts{Attempt: settings.RequestTimeout}),
		client.WithBreaker(client.Breaker{Failures: settings.BreakerFailures, OpenFor: settings.BreakerReset}),
	}
	if settings.MaxConnections > 0 {
		given = append(given, client.WithPool(client.Pool{MaxConnections: settings.MaxConnections}))
	}
	c, err := client.New(settings.APIKey.Reveal(), append(given, opts...)...)
	a.noteOptions(err, settings)
	return c
}

// noteOptions turns what the client finds wrong with its options into problems
// of the variables and flags that they came from.
func (a *app) noteOptions(err error, settings config.Upstream) {
	for _, e := range leaves(err) {
		option, ok := errors.AsType[*client.OptionError](e)
		switch {
		case !ok:
			a.problem("settings", "are not accepted: %v", e)
		case option.Option == "API key" && settings.APIKey.IsZero():
			// Noted already, with the names of the variables.
		case option.Option == "API key":
			v, _ := a.reader.Find("ASLEEP_API_KEY", "ASLEEP_API_KEY_FILE")
			a.problem(v.Label, "%s", option.Problem)
		case option.Option == "base URL":
			v, _ := a.reader.Find("ASLEEP_BASE_URL")
			a.problem(v.Label, "%s", option.Problem)
		default:
			a.problem(option.Option, "%s", option.Problem)
		}
	}
}

// leaves lists the errors that are joined in err.
func leaves(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, leaves(e)...)
	}
	return all
}

// note tells on stderr what was done: a person in a sentence, a program that
// reads the log with the attributes.
func (a *app) note(ctx context.Context, text string, attributes ...any) {
	if a.json {
		a.log.InfoContext(ctx, text, attributes...) //nolint:sloglint // the text is the message
		return
	}
	_, _ = io.WriteString(a.Err, "asleep: "+text+"\n")
}

// complain tells a person, or a program that reads the log, what went wrong.
func (a *app) complain(ctx context.Context, err error, code ExitCode) {
	if err == nil {
		return
	}
	text := sentence(ctx, err)
	if a.json {
		a.log.ErrorContext(ctx, text, "exit_code", int(code)) //nolint:sloglint // the text is the message
		return
	}
	_, _ = io.WriteString(a.Err, "asleep: "+text+"\n")
}

// sentence is an error for people, with what they can do.
func sentence(ctx context.Context, err error) string {
	if s, ok := errors.AsType[*signalError](context.Cause(ctx)); ok && errors.Is(err, context.Canceled) {
		return s.Error()
	}
	text := strings.TrimPrefix(err.Error(), "asleep: ")
	if hint := remedy(err); hint != "" {
		text += ": " + hint
	}
	return text
}
