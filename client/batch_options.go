package client

import (
	"cmp"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/asleep-sdk/asleep"
)

var opFetchSessions = operation{name: "fetchSessions"}

// batchPlan is a batch that has been checked: ready to run, any number of times.
type batchPlan struct {
	client  *Client
	query   Query
	options BatchOptions // without zero fields
	opts    []CallOption // of every call
	like    ResumeToken  // its tokens, without positions
}

// planBatch checks everything that can be checked before the first call.
func (c *Client) planBatch(q Query, o BatchOptions, opts []CallOption) (*batchPlan, error) {
	k := c.newCall(opFetchSessions, opts)
	k.checkRange(q.From, q.To)
	k.checkPaging(q.Order, q.PageSize)
	k.checkNumber("limit", q.Limit)
	if k.settings.raw != nil {
		k.problem("RawResponse", "names one call: a batch makes many")
	}
	if k.settings.requestID != nil {
		k.problem("WithRequestID", "names one call: a batch makes many")
	}
	if k.settings.origin != nil {
		k.problem("WithOrigin", "names one call: a batch makes many")
	}
	k.settings.raw, k.settings.origin = nil, nil
	o.check(k)
	if err := k.refusal(); err != nil {
		return nil, err
	}
	p := &batchPlan{client: c, query: q, options: o.withDefaults(), opts: append(append([]CallOption(nil), opts...), inBatch())}
	zone := "UTC"
	if k.zone != nil {
		zone = *k.zone
	}
	p.like = ResumeToken{query: p.describe(zone), key: keyMark(c.redactor.key())}
	return p, p.checkResume()
}

// check notes what is wrong with the options.
func (o *BatchOptions) check(k *call) {
	within := func(name string, n, most int) {
		if n < 0 || n > most {
			k.problem(name, "is %d: give 1 to %d, or 0 for the default", n, most)
		}
	}
	within("Concurrency", o.Concurrency, MaxBatchConcurrency)
	within("Window", o.Window, MaxBatchWindow)
	within("Rounds", o.Rounds, 1000)
	for _, d := range []struct {
		name string
		d    time.Duration
	}{
		{"MaxOutage", o.MaxOutage},
		{"MaxDuration", o.MaxDuration},
		{"Drain", o.Drain},
		{"ProgressEvery", o.ProgressEvery},
	} {
		if d.d < 0 {
			k.problem(d.name, "is %v: give a positive duration, or 0 for the default", d.d)
		}
	}
	if o.Total < 0 {
		k.problem("Total", "is %d: give the number of users, or 0 if it is not known", o.Total)
	}
}

func (o BatchOptions) withDefaults() BatchOptions {
	o.Concurrency = cmp.Or(o.Concurrency, DefaultBatchConcurrency)
	o.Window = cmp.Or(o.Window, 64*o.Concurrency)
	o.Rounds = cmp.Or(o.Rounds, DefaultBatchRounds)
	o.MaxOutage = cmp.Or(o.MaxOutage, DefaultMaxOutage)
	o.Drain = cmp.Or(o.Drain, DefaultDrain)
	o.ProgressEvery = cmp.Or(o.ProgressEvery, DefaultProgressEvery)
	return o
}

// describe puts what is fetched into words that a token keeps: everything that
// changes the results, and nothing else.
func (p *batchPlan) describe(zone string) string {
	q := p.query
	return url.Values{
		"service":    {p.client.base.String()},
		"from":       {dateText(q.From)},
		"to":         {dateText(q.To)},
		"order":      {string(cmp.Or(q.Order, asleep.SortOrderDescending))},
		"limit":      {strconv.Itoa(q.Limit)},
		"timezone":   {zone},
		"details":    {strconv.FormatBool(p.options.Details)},
		"duplicates": {strconv.FormatBool(p.options.KeepDuplicates)},
	}.Encode()
}

// dateText is the date, "" for none.
func dateText(d asleep.Date) string {
	if d.IsZero() {
		return ""
	}
	return d.String()
}

// checkResume refuses a token of something else.
func (p *batchPlan) checkResume() error {
	token := p.options.Resume
	switch {
	case token.IsZero():
	case token.query != p.like.query:
		return &ResumeError{Err: ErrResumeQuery, Problem: queryDifference(token.query, p.like.query) +
			": resume with the query of the first run, or start over"}
	case token.key != p.like.key && !p.options.NewKey:
		return &ResumeError{Err: ErrResumeKey, Problem: "after a rotation of the key set NewKey; with the key of another customer start over"}
	}
	return nil
}

// queryDifference says in what two descriptions differ.
func queryDifference(was, is string) string {
	before, err := url.ParseQuery(was)
	if err != nil {
		return fmt.Sprintf("it was of %q", clip(was, 200))
	}
	now, err := url.ParseQuery(is)
	if err != nil { // made by describe
		return ""
	}
	for _, name := range []string{"service", "from", "to", "order", "limit", "timezone", "details", "duplicates"} {
		if a, b := before.Get(name), now.Get(name); a != b {
			return fmt.Sprintf("%s was %q and is %q", name, clip(a, 100), b)
		}
	}
	return "it knows parameters that are unknown here"
}
