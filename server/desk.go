package server

import (
	"context"
	"errors"
	"time"

	"github.com/asleep-sdk/asleep/internal/redact"
	"github.com/asleep-sdk/asleep/store"
)

// Entry is an event of the inbox as its operators see it.
type Entry struct {
	ID       string    `json:"id"`
	Kind     string    `json:"kind"`
	State    string    `json:"state"`
	User     string    `json:"user,omitempty"`    // the id, or its digest
	Session  string    `json:"session,omitempty"` // the id, or its digest
	Received time.Time `json:"received"`
	Due      time.Time `json:"due,omitzero"`
	Revision int       `json:"revision"`
	Attempts int       `json:"attempts"`
	Claims   int       `json:"claims"`
	Steps    []string  `json:"steps"` // that are done
	History  []Note    `json:"history,omitempty"`
	Body     string    `json:"body,omitempty"`
}

// Note is a line of an entry's history.
type Note struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"`
	Reason string    `json:"reason,omitempty"`
}

// View says how much of an entry is shown: nothing of the below without asking.
type View struct {
	IDs  bool // of user and session, not digests of them
	Body bool // health data
}

// Choice names entries that are dead.
type Choice struct {
	IDs []string `json:"ids,omitempty"`
	All bool     `json:"all,omitempty"`
}

// Desk is where operators see to an inbox that this process owns. [Remote] is the
// same for that of a running service.
type Desk struct{ Inbox store.Inbox }

// List returns a page of entries, as [store.Inbox].List does.
func (d Desk) List(ctx context.Context, q store.InboxQuery, v View) ([]Entry, error) {
	found, err := d.Inbox.List(ctx, q)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, len(found))
	for i, e := range found {
		entries[i] = entryOf(e, v)
	}
	return entries, nil
}

// Show returns one entry with its history, or [store.ErrNotFound].
func (d Desk) Show(ctx context.Context, id string, v View) (Entry, error) {
	e, err := d.Inbox.Get(ctx, id)
	if err != nil {
		return Entry{}, err
	}
	return entryOf(e, v), nil
}

// Replay makes dead entries ready again, and returns how many.
func (d Desk) Replay(ctx context.Context, c Choice) (int, error) {
	return d.each(ctx, c, d.Inbox.Replay)
}

// Purge removes dead entries for good, and returns how many.
func (d Desk) Purge(ctx context.Context, c Choice) (int, error) {
	return d.each(ctx, c, d.Inbox.Purge)
}

// each hands what was chosen to do, page by page. Of all, those that are dead when it
// begins are meant: one that dies again meanwhile is not taken twice.
func (d Desk) each(ctx context.Context, c Choice, do func(context.Context, ...string) (int, error)) (n int, err error) {
	if !c.All {
		if len(c.IDs) == 0 {
			return 0, errNothingChosen
		}
		return do(ctx, c.IDs...)
	}
	q := store.InboxQuery{State: store.Dead, Limit: store.MaxLimit}
	for {
		page, err := d.Inbox.List(ctx, q)
		if err != nil || len(page) == 0 {
			return n, err
		}
		ids := make([]string, len(page))
		for i, e := range page {
			ids[i] = e.ID
		}
		done, err := do(ctx, ids...)
		n += done
		if err != nil {
			return n, err
		}
		q.After = ids[len(ids)-1]
	}
}

var errNothingChosen = errors.New("nothing was chosen: name ids, or all")

func entryOf(e store.Entry, v View) Entry {
	entry := Entry{
		ID: e.ID, Kind: string(e.Kind), State: e.State.String(), Received: e.Received, Due: e.Due,
		Revision: e.Revision, Attempts: e.Attempts, Claims: e.Claims, Steps: append([]string{}, e.Steps...),
	}
	entry.User, entry.Session = e.UserID, e.SessionID
	if !v.IDs {
		entry.User, entry.Session = digest(redact.User(e.UserID)), digest(redact.Session(e.SessionID))
	}
	for _, n := range e.History {
		entry.History = append(entry.History, Note{At: n.At, What: n.What, Reason: n.Reason})
	}
	if v.Body {
		entry.Body = e.Body
	}
	return entry
}

// digest is that of an id, "" of none.
func digest[T interface {
	~string
	String() string
}](id T,
) string {
	if id == "" {
		return ""
	}
	return id.String()
}
