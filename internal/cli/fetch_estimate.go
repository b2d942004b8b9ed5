package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/asleep-sdk/asleep/client"
)

// estimateLine is an estimate for programs; docs/fetch.md documents its names.
type estimateLine struct {
	Users      int64   `json:"users"`
	Done       int64   `json:"users_done"`
	Duplicates int64   `json:"duplicates"`
	Invalid    int64   `json:"invalid"`
	Sampled    int     `json:"users_sampled"`
	Failed     int     `json:"sample_failed"`
	Calls      int64   `json:"calls"`
	Low        int64   `json:"calls_low"`
	High       int64   `json:"calls_high"`
	Exact      bool    `json:"exact"`
	Rate       float64 `json:"calls_per_second"`
	Seconds    float64 `json:"seconds"`
}

// estimate tells on stdout what a run would take. It writes no file.
func (j *fetchJob) estimate(ctx context.Context) error {
	state, _, err := j.load()
	if err != nil {
		return err
	}
	e, err := j.client.EstimateSessions(ctx, j.list.All(ctx), j.query(), j.options(state.Token), j.sample)
	if err != nil {
		return j.verdictOfEstimate(ctx, err)
	}
	rate := cmp.Or(j.rate, client.DefaultThrottle().Rate)
	if j.app.given("output") && j.output == formatNDJSON {
		line, err := json.Marshal(estimateLine{
			Users: e.Users, Done: e.Resumed, Duplicates: e.Duplicates, Invalid: e.Invalid,
			Sampled: e.Sampled, Failed: e.Failed, Calls: e.Calls, Low: e.Low, High: e.High, Exact: e.Exact,
			Rate: rate, Seconds: e.Duration(rate).Seconds(),
		})
		if err == nil {
			_, err = j.app.Out.Write(append(line, '\n'))
		}
		return stdoutError(err)
	}
	return stdoutError(j.printEstimate(e, rate))
}

func (j *fetchJob) printEstimate(e client.BatchEstimate, rate float64) error {
	t := tabwriter.NewWriter(j.app.Out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		_, _ = fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) // into memory
	}
	users := []string{thousands(e.Users)}
	for _, extra := range []struct {
		n    int64
		what string
	}{{e.Resumed, "done already"}, {e.Duplicates, "duplicates"}, {e.Invalid, "invalid"}} {
		if extra.n > 0 {
			users = append(users, thousands(extra.n)+" "+extra.what)
		}
	}
	row("users", "%s", strings.Join(users, ", and "))
	if e.Exact {
		row("calls", "%s, exactly, as of now", thousands(e.Calls))
	} else {
		row("calls", "about %s (%s to %s)", thousands(e.Calls), thousands(e.Low), thousands(e.High))
	}
	row("time", "%s at %v calls a second", duration(e.Duration(rate)), rate)
	sample := fmt.Sprintf("listed the sessions of %s in %s", count(int64(e.Sampled), "user"), count(e.Made, "call"))
	if e.Failed > 0 {
		sample += fmt.Sprintf("; %d of them failed", e.Failed)
	}
	row("for this", "%s", sample)
	return t.Flush()
}

func (j *fetchJob) verdictOfEstimate(ctx context.Context, err error) error {
	if refused := j.refused(err); refused != nil {
		return refused
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	code, text := stopText(ctx, err)
	return exitWith(code, fmt.Errorf("no estimate: %s", text))
}

// duration is a time for people: whole seconds, no trailing zero units.
func duration(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
