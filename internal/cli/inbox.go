package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/asleep-sdk/asleep/internal/config"
	"github.com/asleep-sdk/asleep/server"
	"github.com/asleep-sdk/asleep/store"
)

const inboxLong = `See to the events that webhooks brought: those that wait, those that are done, and
the dead ones, which could not be worked and wait for somebody to replay or purge
them.

The inbox is that of DATABASE_URL. While a service runs on it, these commands ask
the service at ADMIN_ADDR, with ADMIN_TOKEN if it has one; otherwise they open the
database themselves.`

func newInboxCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "inbox",
		Short:   "List, show, replay and purge webhook events",
		Long:    inboxLong,
		GroupID: "service",
		RunE:    a.needSubcommand,
		Args:    cobra.ArbitraryArgs,
	}
	cmd.AddCommand(newInboxListCommand(a), newInboxShowCommand(a),
		newInboxChangeCommand(a, replayEvents), newInboxChangeCommand(a, purgeEvents))
	return cmd
}

// desk is where an inbox is seen to, in this process or in another.
type desk interface {
	List(ctx context.Context, q store.InboxQuery, v server.View) ([]server.Entry, error)
	Show(ctx context.Context, id string, v server.View) (server.Entry, error)
	Replay(ctx context.Context, c server.Choice) (int, error)
	Purge(ctx context.Context, c server.Choice) (int, error)
}

// inboxPlace is where the inbox of the settings is.
type inboxPlace struct {
	app   *app
	db    *database
	addr  string
	token config.Secret
}

// inbox reads where it is. What is wrong is noted as problems.
func (a *app) inbox() *inboxPlace {
	p := &inboxPlace{app: a, db: a.lastingDatabase()}
	p.addr, p.token = server.ReadAdmin(a.reader)
	if _, _, err := net.SplitHostPort(p.addr); err != nil {
		a.problem("ADMIN_ADDR", "%s is not an address: give HOST:PORT, such as 127.0.0.1:9090", config.Quote(p.addr))
	}
	return p
}

// with does something at the desk of the inbox.
func (p *inboxPlace) with(ctx context.Context, do func(desk) error) error {
	if p.db.file != "" { // it is not for these commands to make one
		if _, err := os.Stat(p.db.file); errors.Is(err, fs.ErrNotExist) {
			return exitWith(ExitUsage, fmt.Errorf("the database %s is not there: check DATABASE_URL", p.db.Shown))
		}
	}
	s, err := p.db.open(ctx, writeStore)
	if err != nil {
		return err
	}
	inbox, err := s.Inbox()
	switch {
	case errors.Is(err, store.ErrOwned):
		err = s.Close()
		if err == nil {
			err = p.failure(do(server.Remote{URL: adminURL(p.addr), Token: p.token, File: p.db.file}))
		}
		return err
	case err == nil:
		err = do(server.Desk{Inbox: inbox})
	}
	return p.failure(errors.Join(err, s.Close()))
}

// failure is what an error of a desk means to a person.
func (p *inboxPlace) failure(err error) error {
	refused, ok := errors.AsType[*server.RemoteError](err)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrNotFound):
		return errors.New(`there is no such event: see "asleep inbox list"`)
	case ok && refused.Status == 401:
		return exitWith(ExitUsage, errors.New("the service that owns the inbox wants its ADMIN_TOKEN: set it as the service has it"))
	case ok:
		return err
	case errors.Is(err, server.ErrNotReached):
		return exitWith(ExitStopped, fmt.Errorf("another process owns the inbox, and none answers at ADMIN_ADDR %s (%w): set ADMIN_ADDR as that process has it", p.addr, err))
	}
	return p.db.fail(err)
}

// viewing are the flags for how much of an event is shown.
type viewing struct{ server.View }

func (v *viewing) add(flags *pflag.FlagSet) {
	addBool(flags, &v.IDs, "ids", "show the ids of users and sessions, not digests of them")
}

type inboxListOptions struct {
	app    *app
	output format
	view   viewing
	state  string
	user   string
	limit  int
}

func newInboxListCommand(a *app) *cobra.Command {
	o := &inboxListOptions{app: a, output: formatTable, state: "all", limit: store.DefaultLimit}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List events in the order in which they came",
		Long: `List events in the order in which they came. Of those that are done only the
key is kept, to tell duplicates.`,
		Example: `  asleep inbox list --state dead
  asleep inbox list --user user-0001 --ids -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.noArguments(args)
			return o.run(cmd.Context())
		},
		Args: cobra.ArbitraryArgs,
	}
	flags := cmd.Flags()
	addChoice(flags, &o.state, "state", "", "STATE", "events in this state", "all", "ready", "leased", "done", "dead")
	flags.StringVar(&o.user, "user", "", "events of this user only, as `USER_ID`")
	addInt(flags, &o.limit, "limit", "N", "the most events to list; 0 means all", 0, 1<<31-1)
	o.view.add(flags)
	addOutput(flags, &o.output, formatTable, formatJSON, formatNDJSON, formatCSV)
	return cmd
}

func (o *inboxListOptions) run(ctx context.Context) error {
	place := o.app.inbox()
	if err := o.app.refusal(); err != nil {
		return err
	}
	state, err := server.StateOf(o.state)
	if err != nil {
		return err
	}
	return place.with(ctx, func(d desk) error {
		return entryView(false).all(o.app.Out, o.output, func(yield func(server.Entry, error) bool) {
			q := store.InboxQuery{State: state, UserID: o.user}
			for left := o.limit; ; {
				q.Limit = store.MaxLimit
				if o.limit > 0 {
					q.Limit = min(left, store.MaxLimit)
				}
				page, err := d.List(ctx, q, o.view.View)
				if err != nil {
					yield(server.Entry{}, err)
					return
				}
				for _, e := range page {
					if !yield(e, nil) {
						return
					}
					q.After = e.ID
				}
				left -= len(page)
				if len(page) < q.Limit || o.limit > 0 && left == 0 {
					return
				}
			}
		})
	})
}

type inboxShowOptions struct {
	app    *app
	output format
	view   viewing
	id     string
}

func newInboxShowCommand(a *app) *cobra.Command {
	o := &inboxShowOptions{app: a, output: formatTable}
	cmd := &cobra.Command{
		Use:   "show EVENT_ID",
		Short: "Show an event and its history",
		Long:  "Show an event, what is done of it, and why it failed.",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.id = a.argument("EVENT_ID", args)
			return o.run(cmd.Context())
		},
		Args: cobra.ArbitraryArgs,
	}
	o.view.add(cmd.Flags())
	addBool(cmd.Flags(), &o.view.Body, "body", "show the body too, which is health data")
	addOutput(cmd.Flags(), &o.output, formatTable, formatJSON, formatNDJSON, formatCSV)
	return cmd
}

func (o *inboxShowOptions) run(ctx context.Context) error {
	place := o.app.inbox()
	if err := o.app.refusal(); err != nil {
		return err
	}
	return place.with(ctx, func(d desk) error {
		e, err := d.Show(ctx, o.id, o.view.View)
		if err != nil {
			return err
		}
		return entryView(true).one(o.app.Out, o.output, e)
	})
}

// entryView shows events; a single one with its history.
func entryView(single bool) view[server.Entry] {
	instant := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	columns := []column[server.Entry]{
		{"id", func(e server.Entry) string { return e.ID }},
		{"state", func(e server.Entry) string { return e.State }},
		{"kind", func(e server.Entry) string { return e.Kind }},
		{"user", func(e server.Entry) string { return e.User }},
		{"session", func(e server.Entry) string { return e.Session }},
		{"received", func(e server.Entry) string { return instant(e.Received) }},
		{"due", func(e server.Entry) string { return instant(e.Due) }},
		{"revision", func(e server.Entry) string { return strconv.Itoa(e.Revision) }},
		{"attempts", func(e server.Entry) string { return strconv.Itoa(e.Attempts) }},
		{"steps", func(e server.Entry) string { return strings.Join(e.Steps, " ") }},
	}
	if single {
		columns = append(columns, column[server.Entry]{"history", func(e server.Entry) string {
			var lines []string
			for _, n := range e.History {
				lines = append(lines, strings.TrimSpace(instant(n.At)+" "+n.What+" "+n.Reason))
			}
			return strings.Join(lines, "; ")
		}}, column[server.Entry]{"body", func(e server.Entry) string { return e.Body }})
	}
	return view[server.Entry]{
		json:  func(e server.Entry) (raw, userID string) { return encoded(e), "" },
		csv:   columns,
		table: columns,
	}
}
