package client

import (
	"net/netip"
	"strconv"
	"strings"
)

// loopback reports whether a host name means this machine. It asks no resolver.
func loopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

func validPort(port string) bool {
	if port == "" {
		return true
	}
	n, err := strconv.Atoi(port)
	return err == nil && n >= 1 && n <= 65535
}

// hideUserinfo returns a URL for a message: bounded, without the password, if
// there is one, and without the query, which may hold a secret too.
func hideUserinfo(raw string) string {
	if i := strings.IndexAny(raw, "?#"); i >= 0 {
		raw = raw[:i+1] + "…"
	}
	if at := strings.LastIndexByte(raw, '@'); at >= 0 {
		scheme := ""
		if i := strings.Index(raw[:at], "://"); i >= 0 {
			scheme = raw[:i+3]
		}
		raw = scheme + "…" + raw[at:]
	}
	return clip(raw, 120)
}
