package webhooktest

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/webhook"
)

// cases is the whole list, in its order.
func cases() []testCase {
	return slices.Concat(signatureCases(), standardCases(), rotationCases(), httpCases(), meaningCases())
}

const documents = "key,secret"

func signatureCases() []testCase {
	list := []testCase{
		{name: "01 valid", needs: "key", run: func(t *testing.T, s *session) {
			body := event(newID())
			s.send(t, s.authentic(t, body), body).queued(t)
		}},
		refusal("02 x-api-key missing", "key", func(h http.Header, _ string) http.Header { return with(h, "X-Api-Key") }),
		refusal("02 x-api-key empty", "key", func(h http.Header, _ string) http.Header { return with(h, "X-Api-Key", "") }),
		refusal("04 x-signature absent", "key,secret,signature", func(h http.Header, _ string) http.Header { return with(h, "X-Signature") }),
		{name: "05 x-signature in upper case", needs: documents, run: accepts(func(h http.Header) http.Header {
			return with(h, "X-Signature", strings.ToUpper(h.Get("X-Signature")))
		})},
		{name: "05 x-signature after sha256=", needs: documents, run: accepts(func(h http.Header) http.Header {
			return with(h, "X-Signature", "sha256="+h.Get("X-Signature"))
		})},
		{name: "06 body changed", needs: documents, run: changedBody},
		refusal("07 signed with another secret", documents, func(h http.Header, body string) http.Header {
			return with(h, "X-Signature", webhook.Sign("another secret", []byte(body)))
		}),
		refusal("07 signed with the empty key", documents, func(h http.Header, body string) http.Header {
			return with(h, "X-Signature", webhook.Sign("", []byte(body)))
		}),
		{name: "08 an empty secret or key refuses to start", needs: "inside"},
		{name: "09 two lines of a header", needs: documents, run: twoLines},
		{name: "10 all failures look alike", needs: documents, run: allAlike},
		{name: "11 secrets are compared in constant time", needs: "inside"},
	}
	for what, change := range map[string]func(key string) string{
		"of the same length":  func(k string) string { return k[:len(k)-1] + string(k[len(k)-1]^1) },
		"that is a prefix":    func(k string) string { return k[:len(k)-1] },
		"that is longer":      func(k string) string { return k + "x" },
		"in another case":     swapCase,
		"followed by a space": func(k string) string { return k + "\u00a0" }, // plain spaces at its end are no part of a header
	} {
		list = append(list, refusal("03 key "+what, "key", func(h http.Header, _ string) http.Header {
			return with(h, "X-Api-Key", change(h.Get("X-Api-Key")))
		}))
	}
	for what, change := range map[string]func(mac string) string{
		"empty": func(string) string { return "" }, "of 63 characters": func(m string) string { return m[:63] },
		"of 62 characters": func(m string) string { return m[:62] }, "of 2 characters": func(m string) string { return m[:2] },
		"that is not hex": func(m string) string { return "g" + m[1:] },
	} {
		list = append(list, refusal("05 x-signature "+what, documents, func(h http.Header, _ string) http.Header {
			return with(h, "X-Signature", change(h.Get("X-Signature")))
		}))
	}
	slices.SortStableFunc(list, func(a, b testCase) int { return strings.Compare(a.name, b.name) })
	return list
}

func swapCase(s string) string {
	if upper := strings.ToUpper(s); upper != s {
		return upper
	}
	return strings.ToLower(s) + "-" // without letters it is at least another one
}

// refusal is a case whose headers, right at first, are made wrong: 401, and
// nothing is stored.
func refusal(name, needs string, spoil func(h http.Header, body string) http.Header) testCase {
	return testCase{name: name, needs: needs, run: func(t *testing.T, s *session) {
		id := newID()
		body := event(id)
		s.send(t, spoil(s.authentic(t, body), body), body).refused(t, http.StatusUnauthorized)
		s.holds(t, id, 0)
	}}
}

// holds wants so many stored events of a session, where that can be seen.
func (s *session) holds(t *testing.T, sessionID string, want int) {
	t.Helper()
	if s.Stored == nil {
		return
	}
	if got := s.Stored(t, sessionID); got != want {
		t.Errorf("%d events are stored, want %d", got, want)
	}
}

func accepts(change func(http.Header) http.Header) func(*testing.T, *session) {
	return func(t *testing.T, s *session) {
		t.Helper()
		body := event(newID())
		s.send(t, change(s.authentic(t, body)), body).queued(t)
	}
}

func changedBody(t *testing.T, s *session) {
	t.Helper()
	id := newID()
	body := event(id)
	h := s.authentic(t, body)
	for what, changed := range map[string]string{
		"one byte":        strings.Replace(body, "UTC", "UTD", 1),
		"written anew":    strings.Replace(body, `":`, `": `, 1),
		"with space":      body + " ",
		"and nothing":     "",
		"one bit of case": strings.Replace(body, "event", "Event", 1),
	} {
		if a := s.send(t, h, changed); a.status != http.StatusUnauthorized {
			t.Errorf("%s: answered %d", what, a.status)
		}
	}
	s.holds(t, id, 0)
}

func twoLines(t *testing.T, s *session) {
	t.Helper()
	id := newID()
	body := event(id)
	h := s.authentic(t, body)
	for _, name := range []string{"X-Signature", "X-Api-Key"} {
		value := h.Get(name)
		s.send(t, with(h, name, value, value), body).refused(t, http.StatusBadRequest)
	}
	s.holds(t, id, 0)
}

// allAlike: the answer tells nobody how near a guess was.
func allAlike(t *testing.T, s *session) {
	t.Helper()
	body := event(newID())
	h := s.authentic(t, body)
	mac := h.Get("X-Signature")
	failures := map[string]http.Header{
		"no headers": {"Content-Type": {"application/json"}}, "wrong key": with(h, "X-Api-Key", "wrong"), "no key": with(h, "X-Api-Key"),
		"wrong signature": with(h, "X-Signature", webhook.Sign("wrong", []byte(body))), "malformed signature": with(h, "X-Signature", "zz"),
	}
	if s.Mode == webhook.ModeSignature {
		failures["no signature"] = with(h, "X-Signature")
	}
	if (testCase{needs: "standard"}).lacking(s.Target) == "" {
		failures["partial v1,"] = http.Header{
			"Content-Type": {"application/json"}, "Webhook-Id": {"msg_1"}, "Webhook-Timestamp": {"1"}, "Webhook-Signature": {"v1,"},
		}
	}
	var first webhook.Problem
	for what, failure := range failures {
		a := s.send(t, failure, body)
		p := a.refused(t, http.StatusUnauthorized)
		if strings.Contains(a.body, mac) {
			t.Errorf("%s: the answer holds the signature that was wanted", what)
		}
		p.RequestID, p.Timestamp = "", ""
		if first == (webhook.Problem{}) {
			first = p
		}
		if p != first {
			t.Errorf("%s is answered %+v, another failure %+v", what, p, first)
		}
	}
}
