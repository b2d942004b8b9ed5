package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/asleep-sdk/asleep/internal/redact"
	"github.com/asleep-sdk/asleep/store"
)

type storeEraseOptions struct {
	app     *app
	confirm confirmation
	user    string
	refuse  time.Duration
}

func newStoreEraseCommand(a *app) *cobra.Command {
	o := &storeEraseOptions{app: a, confirm: confirmation{app: a}, refuse: store.DedupeWindow}
	cmd := &cobra.Command{
		Use:   "erase --user USER_ID",
		Short: "Erase everything about a user from the store",
		Long: `Erase everything about a user from the store: sessions, partial nights and events.
There is no way back. The service keeps what it has: "asleep users delete" is for
that, and comes first, or a later fetch would ask for the user again; it clears
Redis too.

What arrives late about the user is refused from then on, for --refuse-for from
now; so is every session that begins in that time. Backups are yours to erase.

It asks first. Where nobody can be asked, --yes is needed.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.noArguments(args)
			return o.run(cmd.Context(), time.Now())
		},
		Args: cobra.ArbitraryArgs,
	}
	addUser(cmd.Flags(), &o.user)
	addDuration(cmd.Flags(), &o.refuse, "refuse-for", "how long news of the user may still arrive")
	o.confirm.add(cmd.Flags())
	return cmd
}

func (o *storeEraseOptions) run(ctx context.Context, now time.Time) error {
	o.app.checkID(o.app.origin("user").label, o.user)
	o.confirm.check()
	d := o.app.lastingDatabase()
	if err := o.app.refusal(); err != nil {
		return err
	}
	if err := d.whereThere(ctx); err != nil {
		return err
	}
	if err := o.confirm.ask(ctx, fmt.Sprintf("Erase user %q from the database %s?", o.user, d.Shown)); err != nil {
		return err
	}
	var e store.Erasure
	err := d.withStore(ctx, writeStore, func(s store.Store) (err error) {
		e, err = s.Sessions().EraseUser(ctx, o.user, now.Add(o.refuse))
		return err
	})
	if err != nil {
		return err
	}
	o.app.note(ctx, fmt.Sprintf("the user was erased: %s, %s of unfinished nights, %s",
		count(int64(e.Sessions), "session"), count(int64(e.Windows), "window"), count(int64(e.Events), "event")),
		"user", redact.User(o.user), "sessions", e.Sessions, "windows", e.Windows, "events", e.Events)
	return nil
}

type storeExpireOptions struct {
	app     *app
	confirm confirmation
	days    int
}

// expirePage is how many sessions are removed in one commit.
const expirePage = 500

func newStoreExpireCommand(a *app) *cobra.Command {
	o := &storeExpireOptions{app: a, confirm: confirmation{app: a}}
	cmd := &cobra.Command{
		Use:   "expire",
		Short: "Remove sessions that are older than RETENTION_DAYS",
		Long: `Remove sessions that began longer ago than RETENTION_DAYS, or --days. There is no
way back, but a later fetch that asks for that time brings them again.

It works in small steps and can be interrupted and begun again. It asks first.
Where nobody can be asked, --yes is needed.`,
		Example: `  RETENTION_DAYS=365 asleep store expire --yes`,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.noArguments(args)
			return o.run(cmd.Context(), time.Now())
		},
		Args: cobra.ArbitraryArgs,
	}
	addInt(cmd.Flags(), &o.days, "days", "N", "days to keep, in place of RETENTION_DAYS", 1, maxDays)
	o.confirm.add(cmd.Flags())
	return cmd
}

func (o *storeExpireOptions) run(ctx context.Context, now time.Time) error {
	o.confirm.check()
	d := o.app.lastingDatabase()
	days := o.days
	if !o.app.given("days") {
		if days = d.RetentionDays; days == 0 {
			o.app.problem("RETENTION_DAYS", "is not set: set it to the days to keep, or give --days")
		}
	}
	if err := o.app.refusal(); err != nil {
		return err
	}
	if err := d.whereThere(ctx); err != nil {
		return err
	}
	before := now.Add(-time.Duration(days) * 24 * time.Hour)
	since := before.UTC().Format(time.RFC3339)
	if err := o.confirm.ask(ctx, fmt.Sprintf("Remove the sessions that began before %s from the database %s?", since, d.Shown)); err != nil {
		return err
	}
	removed := 0
	err := d.withStore(ctx, writeStore, func(s store.Store) error {
		for {
			n, err := s.Sessions().Expire(ctx, before, expirePage)
			if removed += n; err != nil || n < expirePage {
				return err
			}
		}
	})
	if err != nil {
		return err
	}
	o.app.note(ctx, count(int64(removed), "session")+" that began before "+since+" removed", "sessions", removed, "before", since)
	return nil
}
