package cache_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/cachetest"
)

// note is a value with something in it that can be changed. Its text begins with
// the name of its class.
type note struct {
	Text string
	Tags []string
}

func parseNote(_ cache.Key, raw string) (*note, error) {
	if !strings.Contains(raw, ":") {
		return nil, errors.New("no note")
	}
	return &note{Text: raw, Tags: []string{raw, raw}}, nil
}

var notes = &cache.Kind[*note]{
	Name: "note", Schema: 1,
	Decode: parseNote,
	Clone:  func(n *note) *note { return &note{Text: n.Text, Tags: slices.Clone(n.Tags)} },
	Size:   func(n *note) int { return len(n.Text) },
	Class: func(_ cache.Key, n *note) cache.Class {
		for _, class := range []cache.Class{cache.Durable, cache.Mutable, cache.Unfinished} {
			if strings.HasPrefix(n.Text, class.String()) {
				return class
			}
		}
		return cache.Forbidden
	},
}

var k1 = cache.Key{Tenant: "tenant", User: "user", ID: "id"}

// stored is the key under which a note of k is kept.
func stored(k cache.Key) cache.Key {
	k.Kind, k.Schema = notes.Name, notes.Schema
	return k
}

// service is what is asked when nothing is kept.
type service struct {
	says  string
	err   error
	takes time.Duration
	mu    sync.Mutex
	asked int
}

func (s *service) load(ctx context.Context) (*note, string, error) {
	s.mu.Lock()
	s.asked++
	s.mu.Unlock()
	says, err := s.says, s.err
	if s.takes > 0 {
		timer := time.NewTimer(s.takes)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, "", context.Cause(ctx)
		}
	}
	if err != nil {
		return nil, "", err
	}
	n, err := parseNote(cache.Key{}, says)
	return n, says, err
}

// process is a cache with a near tier of its own.
type process struct {
	*cache.Cache
	t    testing.TB
	near *cachetest.Map
	link *cachetest.Link
}

// newProcess makes one on a hub; nil for none.
func newProcess(tb testing.TB, hub *cachetest.Hub, opts ...cache.Option) *process {
	tb.Helper()
	p := &process{t: tb, near: new(cachetest.Map)}
	if hub != nil {
		p.link = hub.Link()
		opts = append([]cache.Option{cache.WithFar(p.link)}, opts...)
	}
	c, err := cache.New(p.near, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	p.Cache = c
	tb.Cleanup(func() { _ = c.Close() })
	for hub != nil && c.Stats().BusListened == 0 { // which flushes
		runtime.Gosched()
	}
	return p
}

func (p *process) get(k cache.Key, call cache.Call, s *service) (*note, cache.Origin, error) {
	return cache.Get(p.t.Context(), p.Cache, k, notes, call, s.load)
}

// want asks for k1 and fails unless the answer is text from tier.
func (p *process) want(s *service, text string, tier cache.Tier) {
	p.t.Helper()
	p.wantOf(k1, s, text, tier)
}

func (p *process) wantOf(k cache.Key, s *service, text string, tier cache.Tier) {
	p.t.Helper()
	n, from, err := p.get(k, cache.Call{}, s)
	if err != nil || n.Text != text || from.Tier != tier || from.Stale {
		p.t.Errorf("got %+v, %+v, %v; want %q from %q", n, from, err, text, tier)
	}
}

// trouble is a failure that a stale value may stand in for.
var errTrouble = errors.New("the service is in trouble")

func troubled(err error) bool { return errors.Is(err, errTrouble) }
