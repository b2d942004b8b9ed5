package server

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/internal/config"
)

// request is one with X-Forwarded-For in lines.
func forwarded(peer string, lines ...string) *http.Request {
	r := &http.Request{RemoteAddr: peer, Header: http.Header{}}
	for _, l := range lines {
		r.Header.Add("X-Forwarded-For", l)
	}
	return r
}

var ours = proxies{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("fe80::/10"),
}

// Whatever a client writes into the header, in whatever lines: it is the address that the
// first proxy of ours saw.
func FuzzForwardedFor(f *testing.F) {
	f.Add("", "203.0.113.7", "10.0.0.1", false)
	f.Add("10.0.0.9, 8.8.8.8", "203.0.113.7", "fd00::1", true)
	f.Add("8.8.8.8\n9.9.9.9\n10.1.1.1,", "2001:db8::7", "10.2.3.4", true)
	f.Add(strings.Repeat("10.0.0.1,", 12_000), "::ffff:203.0.113.7", "::ffff:10.0.0.1", false)
	f.Add("[2001:db8::1]:443, [fd00::2], fe80::1%eth0", "198.51.100.1", "fe80::2%eth1", false)
	f.Add(`for="[2001:db8::1]"; by=10.0.0.1, unknown, _hidden, "10.0.0.1`, "198.51.100.1", "192.0.2.1", false)
	f.Fuzz(func(t *testing.T, invented, client, proxy string, own bool) {
		from, err := netip.ParseAddr(client)
		via, proxyErr := netip.ParseAddr(proxy)
		if err != nil || proxyErr != nil || ours.has(plain(from)) || !ours.has(plain(via)) {
			return
		}
		peer := netip.AddrPortFrom(via, 4711).String()
		alone := netip.AddrPortFrom(from, 4711).String()
		lines := strings.Split(invented, "\n")
		if got := ours.client(forwarded(alone, lines...)); got != plain(from) {
			t.Errorf("who comes by himself is taken for %v, is %v", got, from)
		}
		// The proxy nearest to the client adds what it saw, to the last line or in one of its own, with a
		// port or without; two more of ours add each other.
		for _, seen := range []string{client, alone, "[" + client + "]"} {
			through := slices.Clone(lines)
			if own {
				through = append(through, seen)
			} else {
				through[len(through)-1] += ", " + seen
			}
			through[len(through)-1] += " ,\t10.0.0.2"
			through = append(through, "fd00::3,[fd00::4]:80")
			if got := ours.client(forwarded(peer, through...)); got != plain(from) {
				t.Errorf("behind proxies it is taken for %v, is %v: %q", got, from, through)
			}
		}
	})
}

// With whatever peer and header: the result is the peer, or what the nearest proxies of ours
// wrote, and none of what stands left of an address that is not ours.
func FuzzClientAddr(f *testing.F) {
	f.Add("10.0.0.1:80", "203.0.113.7, 10.0.0.2")
	f.Add("[::ffff:10.0.0.1]:80", "::ffff:203.0.113.7")
	f.Add("@", "10.0.0.1")
	f.Add("10.0.0.1:80", ", ,,")
	f.Add("[fe80::1%eth0]:80", "fe80::1%25eth0\n1.2.3.4:port")
	f.Add("10.0.0.1:99999", "[]\n[1.2.3.4]\n[::1]:")
	f.Fuzz(func(t *testing.T, peer, header string) {
		lines := strings.Split(header, "\n")
		got := ours.client(forwarded(peer, lines...))
		at, err := netip.ParseAddrPort(peer)
		if err != nil {
			if got.IsValid() {
				t.Errorf("from %q it is %v", peer, got)
			}
			return
		}
		want := plain(at.Addr())
		all := strings.Split(strings.Join(lines, ","), ",")
		for i := len(all) - 1; i >= 0 && ours.has(want); i-- {
			next, err := parseHop(strings.TrimSpace(all[i]))
			if err != nil {
				break
			}
			want = next
		}
		if got != want || got.Zone() != "" || got.Is4In6() {
			t.Errorf("from %q, %q: %v, want %v", peer, lines, got, want)
		}
		if key := clientKey(got); key == "" || len(key) > 64 {
			t.Errorf("the client %q", key)
		}
	})
}

func TestALongHeaderOfAStrangerIsNotRead(t *testing.T) { //nolint:paralleltest // allocations are counted
	lines := slices.Repeat([]string{strings.Repeat("10.0.0.1,", 12_000) + "10.0.0.1"}, 5)
	for _, peer := range []string{"203.0.113.7:80", "10.0.0.1:80"} {
		r := forwarded(peer, append(lines, "203.0.113.7")...)
		if got := ours.client(r); got.String() != "203.0.113.7" {
			t.Errorf("%v", got)
		}
		if n := testing.AllocsPerRun(10, func() { ours.client(r) }); n > 4 {
			t.Errorf("%v allocations for a header of 500 KB", n)
		}
	}
	all := forwarded("10.0.0.1:80", lines...)
	begun := time.Now()
	ours.client(all)
	t.Logf("a header of 500 KB of our own proxies takes %v", time.Since(begun))
}

// What is taken as an origin is one that a browser could send, in the form in which it would.
func FuzzOrigin(f *testing.F) {
	for _, s := range []string{
		"https://app.example.com", "HTTPS://App.Example.com:443", "http://localhost:80", "http://[::1]:8080", "*", "https://*.example.com", "null",
		"https://a@b", "https://a/", "https://a?", "https://a#", "https://bücher.example", "https://:443", "https://a:", "https://a b", "https://a%41", "javascript://a", "//a",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := origin(text)
		if err != nil {
			if o != "" || strings.ContainsAny(err.Error(), "\n\x00") {
				t.Errorf("%q: %q, %v", text, o, err)
			}
			return
		}
		if again, err := origin(o); err != nil || again != o {
			t.Errorf("%q becomes %q, and that %q, %v", text, o, again, err)
		}
		if o == "*" {
			return
		}
		scheme, host, _ := strings.Cut(o, "://")
		if scheme != "https" && scheme != "http" || host == "" || strings.ContainsAny(host, "/?#@*%, \"") || strings.ToLower(o) != o ||
			!strings.HasPrefix(strings.ToLower(text), o) || scheme == "https" && strings.HasSuffix(o, ":443") {
			t.Errorf("%q is taken as %q", text, o)
		}
	})
}

func FuzzPrefix(f *testing.F) {
	for _, s := range []string{
		"10.0.0.0/8", "10.1.2.3/8", "192.0.2.1", "::ffff:192.0.2.1", "::ffff:192.0.2.0/120", "2001:db8::/32", "fe80::1%eth0", "0.0.0.0/0", "010.0.0.1", "10.0.0.0/08", "10.0.0.0/-1", "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := prefix(text)
		if err != nil {
			if p.IsValid() || !strings.Contains(err.Error(), config.Quote(text)) {
				t.Errorf("%q: %v, %v", text, p, err)
			}
			return
		}
		if again, err := prefix(p.String()); err != nil || again != p || p.Masked() != p || p.Addr().Is4In6() || p.Addr().Zone() != "" {
			t.Errorf("%q becomes %v, and that %v, %v", text, p, again, err)
		}
		if a, err := netip.ParseAddr(text); err == nil && (!proxies{p}.has(plain(a)) || !p.IsSingleIP()) {
			t.Errorf("%q becomes %v, which is not it alone", text, p)
		}
	})
}

// Keys that are accepted open the API, each by itself, and nothing beside them does.
func FuzzReadAPIKeys(f *testing.F) {
	f.Add("0123456789abcdef", "x")
	f.Add(" 0123456789abcdef , fedcba9876543210 ", "fedcba9876543210")
	f.Add("0123456789abcdef,,short", "")
	f.Add("0123456789abcdef\nfedcba9876543210", "0123456789abcdef")
	f.Add(",", ",")
	f.Fuzz(func(t *testing.T, text, other string) {
		r := config.NewReader(config.Source{Name: "a test", Values: map[string]string{"READ_API_KEYS": text}})
		c := DefaultConfig()
		c.readReading(r)
		c.checkReading(r)
		if err := r.Err(); err != nil {
			if len(text) > 8 && strings.Contains(err.Error(), text) {
				t.Errorf("the error has the keys: %v", err)
			}
			return
		}
		ring := newKeyring(c.Reading.Keys)
		known := map[string]bool{}
		for _, k := range c.Reading.Keys {
			known[k.Reveal()] = true
			for _, header := range []http.Header{{"X-Api-Key": {k.Reveal()}}, {"Authorization": {"Bearer " + k.Reveal()}}, {"Authorization": {"bEARER   " + k.Reveal() + " "}}} {
				if got, ok := credential(&http.Request{Header: header}); !ok || !ring.has(got) {
					t.Errorf("the key %q of %q is refused", k.Reveal(), text)
				}
			}
			if len(k.Reveal()) < minReadKey || ring.has(k.Reveal()+"x") && !known[k.Reveal()+"x"] {
				t.Errorf("the key %q of %q", k.Reveal(), text)
			}
		}
		got, ok := credential(&http.Request{Header: http.Header{"X-Api-Key": {other}}})
		if ok != (other != "") || got != other || ring.has(got) != known[other] {
			t.Errorf("%q beside %q: %q %v %v", other, text, got, ok, ring.has(got))
		}
		if _, ok := credential(&http.Request{Header: http.Header{"X-Api-Key": {other}, "Authorization": {"Bearer " + text}}}); ok {
			t.Error("two credentials are one too many")
		}
	})
}
