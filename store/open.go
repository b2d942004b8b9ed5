package store

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
)

// Options are what every backend understands. The zero value is a good start.
type Options struct {
	// Sealer encrypts payloads. Nil stores them as they are. Payloads that were
	// stored before are read either way, if the Sealer has their key.
	Sealer Sealer

	// Logger hears of what no caller is told: failed commits and recoveries. Nil
	// is silent. No payload and no user id is logged.
	Logger *slog.Logger

	// ReadOnly opens a database that is there, for reads only. It is not
	// migrated. A backend that has no such thing ignores it.
	ReadOnly bool
}

// Backend opens stores of one kind. Each backend package has a function that
// returns its own.
type Backend struct {
	// Name is what errors call it.
	Name string

	// Schemes are the URL schemes it answers to, in lower case.
	Schemes []string

	// Open opens the database. The URL has one of the schemes.
	Open func(ctx context.Context, u *url.URL, o Options) (Store, error)

	// File returns the path of the file that the URL names, for a backend that
	// keeps everything in one; nil for others. It touches nothing. The error
	// matches [ErrInvalid].
	File func(u *url.URL) (path string, err error)

	// Schema returns the version of the database's schema, 0 for an empty one, and
	// the version that this program brings it to. It changes nothing. The error
	// matches fs.ErrNotExist if there is no database, otherwise as Open's, but
	// never [ErrNewerSchema]: the numbers tell. Nil: there are no versions.
	Schema func(ctx context.Context, u *url.URL) (have, want int, err error)
}

// Resolve finds the backend that answers to the scheme of rawURL, and parses the
// URL, whose Host may be several with commas between. The error matches [ErrInvalid] and contains no password.
func Resolve(rawURL string, backends ...Backend) (Backend, *url.URL, error) {
	scheme, _, ok := strings.Cut(strings.TrimSpace(rawURL), ":")
	if scheme = strings.ToLower(scheme); !ok || !isScheme(scheme) {
		return Backend{}, nil, invalid("the database URL has no scheme: want %s", schemesOf(backends))
	}
	at := slices.IndexFunc(backends, func(b Backend) bool { return slices.Contains(b.Schemes, scheme) })
	if at < 0 {
		return Backend{}, nil, invalid("no backend for the database URL scheme %q: want %s", scheme, schemesOf(backends))
	}
	u, ok := parseURL(strings.TrimSpace(rawURL))
	if !ok {
		return Backend{}, nil, invalid("the %s URL of the database cannot be parsed: percent-encode what is special in it", scheme)
	}
	return backends[at], u, nil
}

// parseURL parses a URL that may name several hosts with commas between, as those
// of databases with replicas do: some releases of Go refuse them, so each host is
// parsed alone. It has no error as that of url.Parse repeats the URL, password
// and all.
func parseURL(rawURL string) (u *url.URL, ok bool) {
	scheme, rest, found := strings.Cut(rawURL, "://")
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, rest := rest[:end], rest[end:]
	at := strings.LastIndexByte(authority, '@') + 1
	user, hosts := authority[:at], strings.Split(authority[at:], ",")
	if !found || len(hosts) == 1 {
		u, err := url.Parse(rawURL)
		return u, err == nil
	}
	for i, host := range hosts {
		one, err := url.Parse(scheme + "://" + user + host + rest)
		if err != nil || one.Host == "" {
			return nil, false
		}
		if i == 0 {
			u = one
		}
		hosts[i] = one.Host
	}
	u.Host = strings.Join(hosts, ",")
	return u, true
}

// Open opens the database that rawURL names with the backend that answers to its
// scheme: sqlite:./asleep.db, memory:, and so on. A scheme that none of the
// backends answers to is an error that names those that are known. No error
// contains a password of the URL.
func Open(ctx context.Context, rawURL string, o Options, backends ...Backend) (Store, error) {
	b, u, err := Resolve(rawURL, backends...)
	if err != nil {
		return nil, err
	}
	s, err := b.Open(ctx, u, o)
	if err != nil {
		return nil, fmt.Errorf("open the %s database: %w", b.Name, err)
	}
	return s, nil
}

func isScheme(s string) bool {
	for i, r := range s {
		letter := 'a' <= r && r <= 'z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789+-.", r)) {
			return false
		}
	}
	return s != ""
}

func schemesOf(backends []Backend) string {
	var all []string
	for _, b := range backends {
		for _, s := range b.Schemes {
			all = append(all, s+":")
		}
	}
	if len(all) == 0 {
		return "a backend to be passed to Open"
	}
	return strings.Join(all, " or ")
}
