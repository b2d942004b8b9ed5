package redisconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// What [Open] sets where the URL says nothing.
const (
	// DialTimeout bounds making a connection, TLS included. It goes on in the
	// background when the caller has left, so that the next one finds it made.
	DialTimeout = 200 * time.Millisecond
	// IOTimeout bounds one read, one write, and the wait for a connection of the
	// pool. A caller's deadline goes before it.
	IOTimeout = 50 * time.Millisecond
	// ClusterReload is how old what is known of a cluster may become. Nobody tells a client
	// of a failover: it asks a master that is gone until it looks again.
	ClusterReload = 2 * time.Second
)

// Open makes a client for the Redis at rawURL; see the package for the forms. It
// dials nothing: a Redis that is away at the start may come later. The caller
// closes the client.
func Open(rawURL string) (redis.UniversalClient, error) {
	u, err := url.Parse(rawURL)
	if err != nil { // it quotes the URL, and at times a part of the password
		return nil, errors.New("the Redis URL is no URL: give redis://user:password@host:6379/0 with special characters of the password percent-encoded")
	}
	if u.Scheme == "" {
		return nil, errors.New("the Redis URL has no scheme: give redis://, rediss:// (TLS) or unix://, as in redis://127.0.0.1:6379/0")
	}
	query := u.Query()
	cluster := query.Has("addr")
	if word := query.Get("cluster"); word != "" {
		if cluster, err = strconv.ParseBool(word); err != nil {
			return nil, fmt.Errorf("the Redis URL has cluster=%q: give true or false", word)
		}
		if cluster && query.Get("master_name") != "" {
			return nil, errors.New("the Redis URL has master_name, which sentinels know, and cluster=true: leave one of them out")
		}
	}
	sentinel := query.Get("master_name") != ""
	query.Del("cluster")
	security, err := takeTLS(u.Scheme, query)
	if err != nil {
		return nil, fmt.Errorf("the Redis URL: %w", err)
	}
	u.RawQuery = query.Encode()
	var client redis.UniversalClient
	switch {
	case sentinel:
		client, err = openSentinel(u, query, security)
	case cluster:
		client, err = openCluster(u, security)
	default:
		client, err = openSingle(u.String(), security)
	}
	if err != nil {
		return nil, fmt.Errorf("the Redis URL: %w", err)
	}
	return client, nil
}

func openSingle(rawURL string, security *secured) (redis.UniversalClient, error) {
	o, err := redis.ParseURL(rawURL)
	if err != nil {
		return nil, err
	}
	tune(knobs{
		retries: &o.MaxRetries, dials: &o.DialerRetries, dial: &o.DialTimeout,
		read: &o.ReadTimeout, write: &o.WriteTimeout, pool: &o.PoolTimeout,
		contexts: &o.ContextTimeoutEnabled, anonymous: &o.DisableIdentity, dialer: &o.Dialer,
		maintenance: &o.MaintNotificationsConfig, tls: o.TLSConfig, security: security,
	})
	return redis.NewClient(o), nil
}

func openCluster(u *url.URL, security *secured) (redis.UniversalClient, error) {
	if u.Path != "" && u.Path != "/" && u.Path != "/0" {
		return nil, fmt.Errorf("path %q: a cluster has no numbered databases, leave the path out", u.Path)
	}
	o, err := redis.ParseClusterURL(u.String())
	if err != nil {
		return nil, err
	}
	preset(&o.ClusterStateReloadInterval, ClusterReload)
	tune(knobs{
		retries: &o.MaxRetries, dials: &o.DialerRetries, dial: &o.DialTimeout,
		read: &o.ReadTimeout, write: &o.WriteTimeout, pool: &o.PoolTimeout,
		contexts: &o.ContextTimeoutEnabled, anonymous: &o.DisableIdentity, dialer: &o.Dialer,
		maintenance: &o.MaintNotificationsConfig, tls: o.TLSConfig, security: security,
	})
	return redis.NewClusterClient(o), nil
}

// openSentinel takes user and password of the URL for those of the servers, as in all other
// forms. go-redis takes them for those of the sentinels, and the servers' out of the query,
// which is understood too.
func openSentinel(u *url.URL, query url.Values, security *secured) (redis.UniversalClient, error) {
	watchers := url.UserPassword(query.Get("sentinel_username"), query.Get("sentinel_password"))
	theirs := query.Has("sentinel_username") || query.Has("sentinel_password")
	query.Del("sentinel_username")
	query.Del("sentinel_password")
	u.RawQuery = query.Encode()
	o, err := redis.ParseFailoverURL(u.String())
	if err != nil {
		return nil, err
	}
	if theirs || !query.Has("password") {
		if u.User != nil {
			o.Username = u.User.Username()
			o.Password, _ = u.User.Password()
		}
		o.SentinelUsername = watchers.Username()
		o.SentinelPassword, _ = watchers.Password()
	}
	if o.TLSConfig != nil {
		o.TLSConfig.ServerName = "" // sentinels and servers are of many names: each goes by its own
	}
	tune(knobs{
		retries: &o.MaxRetries, dials: &o.DialerRetries, dial: &o.DialTimeout,
		read: &o.ReadTimeout, write: &o.WriteTimeout, pool: &o.PoolTimeout,
		contexts: &o.ContextTimeoutEnabled, anonymous: &o.DisableIdentity, dialer: &o.Dialer,
		tls: o.TLSConfig, security: security,
	})
	return redis.NewFailoverClient(o), nil
}

// knobs are the options that the three kinds of client have in common.
type knobs struct {
	retries, dials          *int
	dial, read, write, pool *time.Duration
	contexts, anonymous     *bool
	dialer                  *func(context.Context, string, string) (net.Conn, error)
	maintenance             **maintnotifications.Config // nil: go-redis has none for sentinels
	tls                     *tls.Config
	security                *secured
}

// tune gives up early. The defaults of go-redis wait for seconds, and repeat: a
// script that had no answer may have run.
func tune(k knobs) {
	preset(k.retries, -1) // none
	preset(k.dials, 1)
	preset(k.dial, DialTimeout)
	preset(k.read, IOTimeout)
	preset(k.write, IOTimeout)
	preset(k.pool, IOTimeout)
	*k.contexts, *k.anonymous = true, true
	if k.maintenance != nil {
		*k.maintenance = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	}
	k.security.apply(k.tls)
	*k.dialer = dialer(*k.dial, k.tls)
}

func preset[T comparable](option *T, value T) {
	var unset T
	if *option == unset {
		*option = value
	}
}

// bounded reports whether a client is known to end a command with its context.
func bounded(client redis.UniversalClient) bool {
	switch c := client.(type) {
	case *redis.Client:
		return c.Options().ContextTimeoutEnabled
	case *redis.ClusterClient:
		return c.Options().ContextTimeoutEnabled
	}
	return false
}
