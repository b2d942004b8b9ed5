package server

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// proxies are the addresses that are believed about whom they forward for.
type proxies []netip.Prefix

func (p proxies) has(a netip.Addr) bool {
	return slices.ContainsFunc(p, func(one netip.Prefix) bool { return one.Contains(a) })
}

// client is the address that a request came from. X-Forwarded-For is walked from
// the right, where the nearest proxy wrote, as long as proxies of ours wrote it: what
// stands further left anybody may have made up. The zero Addr is unknown.
func (p proxies) client(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	at := plain(peer.Addr())
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !p.has(at) {
			break
		}
		next, err := parseHop(strings.TrimSpace(hop))
		if err != nil {
			break // a proxy of ours wrote no address: it is the last that is known
		}
		at = next
	}
	return at
}

// parseHop reads an address with or without a port.
func parseHop(text string) (netip.Addr, error) {
	if with, err := netip.ParseAddrPort(text); err == nil {
		return plain(with.Addr()), nil
	}
	a, err := netip.ParseAddr(text)
	return plain(a), err
}

func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// clientKey is what clients are told apart by: of IPv6, the network that one
// subscriber has.
func clientKey(a netip.Addr) string {
	if !a.IsValid() {
		return "unknown"
	}
	if a.Is6() {
		network, _ := a.Prefix(64) // 64 bits every address has
		return network.String()
	}
	return a.String()
}
