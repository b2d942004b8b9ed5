package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/webhook"
)

// Remote is a [Desk] of the inbox of a running service, through its ADMIN_ADDR.
type Remote struct {
	// URL is that of ADMIN_ADDR, such as http://127.0.0.1:9090.
	URL string
	// Token is ADMIN_TOKEN, if there is one.
	Token Secret
	// File is that of the database whose inbox is meant; a service that works
	// another refuses. Empty means whatever it works.
	File string
}

// ErrNotReached means that nobody answers at the URL.
var ErrNotReached = errors.New("no service answers")

// fileHeader names the database that a request is about.
const fileHeader = "X-Asleep-Database"

// RemoteError is the answer of a service that refused.
type RemoteError struct {
	Status  int
	Problem webhook.Problem
}

// Error is what the service says.
func (e *RemoteError) Error() string {
	return fmt.Sprintf("the service answers %d: %s", e.Status, e.Problem.Message)
}

// Is makes 404 a [store.ErrNotFound].
func (e *RemoteError) Is(target error) bool {
	return target == store.ErrNotFound && e.Status == http.StatusNotFound
}

// List is [Desk.List].
func (d Remote) List(ctx context.Context, q store.InboxQuery, v View) ([]Entry, error) {
	values := v.values()
	if q.State != 0 {
		values.Set("state", q.State.String())
	}
	if q.UserID != "" {
		values.Set("user_id", q.UserID)
	}
	if q.After != "" {
		values.Set("after", q.After)
	}
	if q.Limit != 0 {
		values.Set("limit", strconv.Itoa(q.Limit))
	}
	var page struct {
		Entries []Entry `json:"entries"`
	}
	err := d.get(ctx, "/inbox?"+values.Encode(), &page)
	return page.Entries, err
}

// Show is [Desk.Show].
func (d Remote) Show(ctx context.Context, id string, v View) (e Entry, err error) {
	err = d.get(ctx, "/inbox/"+url.PathEscape(id)+"?"+v.values().Encode(), &e)
	return e, err
}

// Replay is [Desk.Replay].
func (d Remote) Replay(ctx context.Context, c Choice) (int, error) {
	return d.change(ctx, "/inbox/replay", c)
}

// Purge is [Desk.Purge].
func (d Remote) Purge(ctx context.Context, c Choice) (int, error) {
	return d.change(ctx, "/inbox/purge", c)
}

func (v View) values() url.Values {
	values := url.Values{}
	if v.IDs {
		values.Set("ids", "true")
	}
	if v.Body {
		values.Set("body", "true")
	}
	return values
}

func (d Remote) get(ctx context.Context, path string, into any) error {
	return d.do(ctx, http.MethodGet, path, nil, into)
}

func (d Remote) change(ctx context.Context, path string, c Choice) (int, error) {
	body, err := json.Marshal(c)
	if err != nil {
		return 0, err
	}
	var done changed
	err = d.do(ctx, http.MethodPost, path, body, &done)
	return done.Changed, err
}

// What one request may take, and its answer may measure.
const (
	remoteTime = 30 * time.Second
	maxRemote  = 256 << 20
)

func (d Remote) do(ctx context.Context, method, path string, body []byte, into any) error {
	ctx, cancel := context.WithTimeout(ctx, remoteTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, d.URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if !d.Token.IsZero() {
		r.Header.Set("Authorization", "Bearer "+d.Token.Reveal())
	}
	if d.File != "" {
		r.Header.Set(fileHeader, fileID(d.File))
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	transport := &http.Transport{DisableKeepAlives: true} // no proxy: the token is for this address
	hc := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := hc.Do(r)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotReached, withoutURL(err))
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxRemote))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		e := &RemoteError{Status: resp.StatusCode}
		if json.Unmarshal(text, &e.Problem) != nil || e.Problem.Message == "" {
			e.Problem.Message = "this is not what asleep serve answers; check ADMIN_ADDR"
		}
		return e
	}
	return json.Unmarshal(text, into)
}

// withoutURL takes the URL, which may have a user id in it, from an error.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// fileID stands for a file, by the path without links on the way.
func fileID(path string) string {
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	sum := sha256.Sum256([]byte(path))
	return hex.EncodeToString(sum[:])
}
