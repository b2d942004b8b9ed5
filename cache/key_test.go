package cache_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/cache"
)

func contextFor(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), d)
}

func TestNamesHoldNothingThatIsSecret(t *testing.T) {
	t.Parallel()
	tenant := cache.TenantOf("sk-live-secret", "https://api.asleep.ai")
	k := cache.Key{Tenant: tenant, User: "user-0001", Kind: "session", ID: "20260314135107_k7q2m", Zone: "Asia/Seoul", Schema: 1}
	hex32 := regexp.MustCompile(`^[0-9a-f]{32}$`)
	if !hex32.MatchString(string(tenant)) || !hex32.MatchString(string(k.Owner())) {
		t.Errorf("%q, %q", tenant, k.Owner())
	}
	owner, rest, ok := strings.Cut(k.Name(), ":")
	if !ok || owner != string(k.Owner()) || !hex32.MatchString(rest) {
		t.Errorf("%q", k.Name())
	}
	if tenant == cache.TenantOf("sk-live-secret", "https://staging.asleep.ai") || tenant == cache.TenantOf("sk-live-secres", "https://api.asleep.ai") {
		t.Error("two tenants are one")
	}
}

func TestNoTimezoneIsUTC(t *testing.T) {
	t.Parallel()
	a, b := cache.Key{User: "u"}, cache.Key{User: "u", Zone: "UTC"}
	if string(a.AppendBinary(nil)) != string(b.AppendBinary(nil)) || a.Name() != b.Name() {
		t.Error("they differ")
	}
}

// FuzzKeyForm: two keys have the same form only if they are the same key.
func FuzzKeyForm(f *testing.F) {
	f.Add("t", "u", "k", "i", "z", 1, "t", "uk", "", "i", "z", 1)
	f.Add("", "\x01u", "", "", "UTC", 0, "\x01", "u", "", "", "", 0)
	f.Add("a", "b", "c", "d", "", -1, "a", "b", "c", "d", "UTC", -1)
	f.Fuzz(func(t *testing.T, t1, u1, k1, i1, z1 string, s1 int, t2, u2, k2, i2, z2 string, s2 int) {
		a := cache.Key{Tenant: cache.Tenant(t1), User: u1, Kind: k1, ID: i1, Zone: z1, Schema: s1}
		b := cache.Key{Tenant: cache.Tenant(t2), User: u2, Kind: k2, ID: i2, Zone: z2, Schema: s2}
		same := string(a.AppendBinary(nil)) == string(b.AppendBinary(nil))
		if a.Zone == "" {
			a.Zone = cache.UTC
		}
		if b.Zone == "" {
			b.Zone = cache.UTC
		}
		if same != (a == b) || same != (a.Name() == b.Name()) {
			t.Errorf("%+v and %+v: same form %v", a, b, same)
		}
	})
}
