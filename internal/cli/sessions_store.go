package cli

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
)

// addStore defines the flag of a command that reads the store instead of asking
// the service, and says in the help of --user that it then need not be given.
func addStore(flags *pflag.FlagSet, fromStore *bool) {
	addBool(flags, fromStore, "store", "read the store of DATABASE_URL; nothing is sent, and no API key is needed")
	flags.Lookup("user").Usage = "the user's id, as `USER_ID` (required without --store)"
}

// checkStoredUser notes what is wrong with the user of a command that reads the
// store; without one it is about all users.
func (a *app) checkStoredUser(user string) {
	if user != "" {
		a.checkID(a.origin("user").label, user)
	}
}

// instants are the period as instants: from its first moment to the first that is
// behind it, in its timezone. Zero where there is no bound.
func (p *period) instants() (from, to time.Time) {
	loc, err := loadZone(p.timezone)
	if err != nil {
		loc = time.UTC
	}
	if !p.from.IsZero() {
		from = p.from.In(loc)
	}
	if !p.to.IsZero() {
		to = p.to.AddDays(1).In(loc)
	}
	return from, to
}

// listStore lists what is in the store.
func (o *sessionsListOptions) listStore(ctx context.Context) (err error) {
	o.app.checkStoredUser(o.user)
	o.period.resolve(o.app, time.Now())
	if o.user == "" && o.order == "asc" {
		o.app.problem(o.app.origin("order").label, "asc goes with --user only: the sessions of all users are listed newest first")
	}
	d := o.app.lastingDatabase()
	if err := o.app.refusal(); err != nil {
		return err
	}
	s, err := d.open(ctx, readStore)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.fail(s.Close())) }()
	query := store.Query{UserID: o.user, Brief: o.output == formatTable}
	query.From, query.To = o.period.instants()
	sessions := store.All(ctx, s.Sessions(), query)
	if o.order == "asc" {
		sessions = oldestFirst(ctx, s.Sessions(), query)
	}
	return storedView(o.user).all(o.app.Out, o.output, o.items(d, sessions))
}

// storedView shows the items of a list from the store; that of all users says
// whose they are.
func storedView(user string) view[owned[asleep.SessionSummary]] {
	v := summaryView()
	if user == "" {
		v.table = slices.Insert(v.table, 0, column[owned[asleep.SessionSummary]]{"USER", func(i owned[asleep.SessionSummary]) string { return i.userID }})
	}
	return v
}

// oldestFirst lists sessions of a user the other way round. It keeps their ids, and
// leaves out those that are deleted meanwhile.
func oldestFirst(ctx context.Context, s store.Sessions, query store.Query) iter.Seq2[store.Session, error] {
	return func(yield func(store.Session, error) bool) {
		brief := query
		brief.Brief = true
		var ids []string
		for session, err := range store.All(ctx, s, brief) {
			if err != nil {
				yield(session, err)
				return
			}
			ids = append(ids, session.ID)
		}
		for _, id := range slices.Backward(ids) {
			session, err := s.Get(ctx, id)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if !yield(session, err) || err != nil {
				return
			}
		}
	}
}

// items are sessions of the store as items of a list, up to the limit.
func (o *sessionsListOptions) items(d *database, sessions iter.Seq2[store.Session, error]) iter.Seq2[owned[asleep.SessionSummary], error] {
	type item = owned[asleep.SessionSummary]
	return func(yield func(item, error) bool) {
		n := 0
		for s, err := range sessions {
			if err != nil {
				yield(item{}, d.fail(err))
				return
			}
			summary, err := itemOf(s, o.output)
			if !yield(item{s.UserID, summary}, d.fail(err)) || err != nil {
				return
			}
			if n++; n == o.limit {
				return
			}
		}
	}
}

// itemOf is as much of a session as a format of the list needs. CSV has the
// service's own texts, so they are read from the body.
func itemOf(s store.Session, f format) (asleep.SessionSummary, error) {
	item := asleep.SessionSummary{Raw: s.Raw, SessionID: s.ID, State: s.State, CreatedTimezone: s.Zone}
	switch {
	case f == formatTable:
		item.SessionStartTime, item.SessionEndTime = timestamp(s.Start, s.Offset), timestamp(s.End, s.Offset)
		if v, ok := s.Metrics.Get(store.TimeInBed); ok {
			item.TimeInBed = new(asleep.Seconds(v))
		}
	case f != formatCSV: // the body alone
	case s.Form == store.FormReport:
		r, err := s.Report()
		if err != nil {
			return item, fmt.Errorf("session %q: %w", s.ID, err)
		}
		item.SessionStartTime, item.SessionEndTime = r.Session.StartTime, r.Session.EndTime
		item.UnexpectedEndTime, item.State = r.Session.UnexpectedEndTime, r.Session.State
		if r.Stat != nil {
			item.TimeInBed = r.Stat.TimeInBed
		}
	default:
		parsed, err := asleep.ParseSessionSummary(s.Raw)
		if err != nil {
			return item, fmt.Errorf("session %q: %w", s.ID, err)
		}
		return *parsed, nil
	}
	return item, nil
}

// timestamp writes an instant of the store on the clock that recorded it.
func timestamp(at time.Time, offset time.Duration) asleep.Timestamp {
	if at.IsZero() {
		return ""
	}
	return asleep.Timestamp(at.In(time.FixedZone("", int(offset/time.Second))).Format(time.RFC3339Nano))
}

// getStored shows what the store has of a session.
func (o *sessionsGetOptions) getStored(ctx context.Context) (err error) {
	o.app.checkStoredUser(o.user)
	if o.app.origin("timezone").rank == 0 {
		o.app.problem(o.app.origin("timezone").label, "does not go together with --store: a session is kept in the zone that it was fetched in")
	}
	d := o.app.lastingDatabase()
	if err := o.app.refusal(); err != nil {
		return err
	}
	db, err := d.open(ctx, readStore)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.fail(db.Close())) }()
	s, err := db.Sessions().Get(ctx, o.session)
	if err == nil && o.user != "" && s.UserID != o.user {
		err = store.ErrNotFound
	}
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf(`session %q is not in the database %s: "asleep fetch --store" brings what the service has`, o.session, d.Shown)
	}
	if err != nil {
		return d.fail(err)
	}
	report, err := storedReport(s)
	if err != nil {
		return fmt.Errorf("session %q: %w", s.ID, err)
	}
	if s.Form != store.FormReport {
		o.app.note(ctx, `only the list item of the session is in the store: "asleep fetch --store --details" brings its report`)
	}
	return reportView().one(o.app.Out, o.output, owned[*asleep.Report]{s.UserID, report})
}

// storedReport is the report of a session; of one that was only listed, a report
// with what the list says.
func storedReport(s store.Session) (*asleep.Report, error) {
	if s.Form == store.FormReport {
		return s.Report()
	}
	item, err := asleep.ParseSessionSummary(s.Raw)
	if err != nil {
		return nil, err
	}
	r := &asleep.Report{Raw: s.Raw, Session: asleep.Session{
		ID: item.SessionID, State: item.State, CreatedTimezone: item.CreatedTimezone,
		StartTime: item.SessionStartTime, EndTime: item.SessionEndTime, UnexpectedEndTime: item.UnexpectedEndTime,
	}}
	if item.TimeInBed != nil {
		r.Stat = &asleep.Stat{TimeInBed: item.TimeInBed}
	}
	return r, nil
}
