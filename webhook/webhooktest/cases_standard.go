package webhooktest

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/webhook"
)

// madeUp is a signature of the right form that nobody has made.
var madeUp = "v1," + base64.StdEncoding.EncodeToString(make([]byte, 32))

// spoilt is a case of Standard Webhooks in which the headers, right at first, are
// changed; want is the status that is then wanted.
func spoilt(name string, want int, change func(h http.Header, right string) http.Header) testCase {
	return testCase{name: name, needs: "standard", run: func(t *testing.T, s *session) {
		body := event(newID())
		h := s.standard(t, "", time.Time{}, body)
		a := s.send(t, change(h, h.Get("Webhook-Signature")), body)
		if want == http.StatusOK {
			a.queued(t)
		} else {
			a.refused(t, want)
		}
	}}
}

// aged is a case with a timestamp that lies so far from now. The clocks of both
// sides, and the way, may take some seconds.
func aged(name string, want int, age func(tolerance time.Duration) time.Duration) testCase {
	return testCase{name: name, needs: "standard", run: func(t *testing.T, s *session) {
		body := event(newID())
		a := s.send(t, s.standard(t, "", time.Now().Add(-age(s.Tolerance)), body), body)
		if want == http.StatusOK {
			a.queued(t)
		} else {
			a.refused(t, want)
		}
	}}
}

func standardCases() []testCase {
	const ok, refused = http.StatusOK, http.StatusUnauthorized
	header := func(name string, values ...string) func(http.Header, string) http.Header {
		return func(h http.Header, _ string) http.Header { return with(h, name, values...) }
	}
	list := func(entries ...string) func(http.Header, string) http.Header {
		return func(h http.Header, right string) http.Header {
			return with(h, "Webhook-Signature", strings.ReplaceAll(strings.Join(entries, " "), "RIGHT", right))
		}
	}
	const margin = 10 * time.Second
	cases := []testCase{
		spoilt("12 valid", ok, func(h http.Header, _ string) http.Header { return h }),
		spoilt("13 webhook-id missing", refused, header("Webhook-Id")),
		spoilt("14 webhook-timestamp missing", refused, header("Webhook-Timestamp")),
		spoilt("15 webhook-signature missing", refused, header("Webhook-Signature")),
		spoilt("16 wrong signature", refused, list(madeUp)),
		spoilt("17 partial signature", refused, list("v1,")),
		aged("18 nearly too old", ok, func(d time.Duration) time.Duration { return d - margin }),
		aged("18 too old", refused, func(d time.Duration) time.Duration { return d + margin }),
		aged("19 nearly too new", ok, func(d time.Duration) time.Duration { return margin - d }),
		aged("19 too new", refused, func(d time.Duration) time.Duration { return -margin - d }),
		spoilt("20 several signatures, one valid", ok, list(madeUp, "RIGHT")),
		{name: "21 only unknown versions", needs: "standard", run: unknownVersions},
		{name: "22 tolerance switched off", needs: "inside"},
		{name: "23 whsec_ and bare base64 verify alike", needs: "standard", run: bothForms},
		{name: "24 the published vector", needs: "inside"},
		{name: "26 borders of the message moved", needs: "standard", run: movedBorders},
		{name: "27 ids of 1 kB", needs: "standard", run: func(t *testing.T, s *session) {
			body := event(newID())
			s.send(t, s.standard(t, strings.Repeat("i", 128), time.Time{}, body), body).queued(t)
			s.send(t, s.standard(t, strings.Repeat("i", 1<<10), time.Time{}, body), body).refused(t, refused)
		}},
		{name: "28 failures are distinct inside", needs: "inside"},
		spoilt("29 malformed pairs", refused, list("v1", ",", "v1,,", "=", "v1,?")),
		spoilt("29 malformed pairs beside a valid one", ok, list("v1", ",", "v1,?", "RIGHT")),
		spoilt("30 a bad second signature", ok, list("RIGHT", madeUp)),
		spoilt("31 the other scheme's form", refused, list("sha256="+strings.Repeat("0", 64))),
		spoilt("32 deadbeef", refused, list("deadbeef")),
		{name: "34 custom tolerance", needs: "inside"},
		{name: "35 signatures are capped at 16", needs: "standard", run: capped},
	}
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	for what, text := range map[string]string{
		"with a sign": "+" + stamp, "with a zero": "0" + stamp, "with a fraction": stamp + ".0", "that overflows": "99999999999999999999",
		"that is extreme": "999999999999999999", "that is negative": "-" + stamp, "that is empty": "",
	} {
		cases = append(cases, spoilt("25 timestamp "+what, refused, header("Webhook-Timestamp", text)))
	}
	slices.SortStableFunc(cases, func(a, b testCase) int { return strings.Compare(a.name, b.name) })
	return cases
}

func unknownVersions(t *testing.T, s *session) {
	t.Helper()
	body := event(newID())
	h := s.standard(t, "", time.Time{}, body)
	mac := strings.TrimPrefix(h.Get("Webhook-Signature"), "v1,")
	for _, list := range []string{"v0," + mac, "v2," + mac, "v1a," + mac, "V1," + mac, "v2," + mac + " v0," + mac} {
		s.send(t, with(h, "Webhook-Signature", list), body).refused(t, http.StatusUnauthorized)
	}
}

func bothForms(t *testing.T, s *session) {
	t.Helper()
	bare := strings.TrimPrefix(s.Secret, "whsec_")
	for _, secret := range []string{bare, "whsec_" + bare} {
		body := event(newID())
		s.send(t, headers(t, webhook.Sender{Scheme: webhook.SchemeStandard, Secret: secret}, body), body).queued(t)
	}
}

// movedBorders: what is signed is id.timestamp.body; none of them may lend a piece
// to its neighbour.
func movedBorders(t *testing.T, s *session) {
	t.Helper()
	body := event(newID())
	s.send(t, s.standard(t, "msg.1", time.Time{}, body), body).refused(t, http.StatusUnauthorized)
	h := s.standard(t, "msg", time.Time{}, "1."+body)
	stamp := h.Get("Webhook-Timestamp")
	s.send(t, with(with(h, "Webhook-Id", "msg."+stamp), "Webhook-Timestamp", "1"), body).refused(t, http.StatusUnauthorized)
	s.send(t, with(h, "Webhook-Timestamp", stamp+".1"), body).refused(t, http.StatusUnauthorized)
}

func capped(t *testing.T, s *session) {
	t.Helper()
	for before, want := range map[int]int{15: http.StatusOK, 16: http.StatusUnauthorized, 5000: http.StatusUnauthorized} {
		body := event(newID())
		h := s.standard(t, "", time.Time{}, body)
		a := s.send(t, with(h, "Webhook-Signature", strings.Repeat(madeUp+" ", before)+h.Get("Webhook-Signature")), body)
		if a.status != want {
			t.Errorf("a valid signature after %d others is answered %d, want %d", before, a.status, want)
		}
	}
}

func rotationCases() []testCase {
	return []testCase{
		{name: "33 signed by the old and the new secret", needs: "standard,rotation", run: func(t *testing.T, s *session) {
			for _, secrets := range [][]string{{s.Secret, s.OtherSecret}, {s.OtherSecret, s.Secret}} {
				body := event(newID())
				at := time.Now()
				h := s.standard(t, "msg_33", at, body)
				var list []string
				for _, secret := range secrets {
					signature, err := webhook.SignStandard(secret, "msg_33", at, []byte(body))
					if err != nil {
						t.Skipf("not run: Target.OtherSecret is not base64")
					}
					list = append(list, signature)
				}
				s.send(t, with(h, "Webhook-Signature", strings.Join(list, " ")), body).queued(t)
			}
		}},
		{name: "36 either key, either secret", needs: "key,secret,rotation", run: func(t *testing.T, s *session) {
			for _, key := range []string{s.Key, s.OtherKey} {
				for _, secret := range []string{s.Secret, s.OtherSecret} {
					body := event(newID())
					s.send(t, headers(t, webhook.Sender{Key: key, Secret: secret}, body), body).queued(t)
				}
			}
		}},
		{name: "37 the old one removed", needs: "key,secret,retire", alone: true, run: func(t *testing.T, s *session) {
			s.Retire(t)
			body := event(newID())
			s.send(t, headers(t, webhook.Sender{Key: s.OtherKey, Secret: s.Secret}, body), body).refused(t, http.StatusUnauthorized)
			s.send(t, headers(t, webhook.Sender{Key: s.Key, Secret: s.OtherSecret}, body), body).refused(t, http.StatusUnauthorized)
			s.send(t, headers(t, webhook.Sender{Key: s.Key, Secret: s.Secret}, body), body).queued(t)
		}},
		{name: "38 a reload drops no request", needs: "inside"},
	}
}
