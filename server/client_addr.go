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
	at, err := parseHop(r.RemoteAddr) // without a port where a function's platform wrote it
	if err != nil {
		return netip.Addr{}
	}
	for _, line := range slices.Backward(r.Header.Values("X-Forwarded-For")) {
		for more := true; more; {
			if !p.has(at) {
				return at // whatever it wrote, and however much, is not even read
			}
			var hop string
			line, hop, more = cutLast(line)
			next, err := parseHop(strings.TrimSpace(hop))
			if err != nil {
				return at // a proxy of ours wrote no address: it is the last that is known
			}
			at = next
		}
	}
	return at
}

// cutLast cuts a list at its last comma; more says that there was one.
func cutLast(list string) (before, last string, more bool) {
	at := strings.LastIndexByte(list, ',')
	return list[:max(at, 0)], list[at+1:], at >= 0
}

// parseHop reads an address, with a port or in brackets or neither.
func parseHop(text string) (netip.Addr, error) {
	if with, err := netip.ParseAddrPort(text); err == nil {
		return plain(with.Addr()), nil
	}
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		text = text[1 : len(text)-1]
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
