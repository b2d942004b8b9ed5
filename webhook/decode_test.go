package webhook_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/webhook"
)

const (
	fixtureUser    = "G-20260302081522-Qm4xTz9LbVr2KdHs7WpN"
	fixtureSession = "20260314135107_k7q2m"
)

func fixture(tb testing.TB, name string) string {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("../testdata/fixtures", name))
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

func TestEveryShapeOfTheContractDecodes(t *testing.T) {
	t.Parallel()
	const complete, inference = asleep.WebhookEventSessionComplete, asleep.WebhookEventInferenceComplete
	for name, c := range map[string]struct {
		kind    asleep.WebhookEvent
		version asleep.WebhookVersion
		session string
		key     string
		epochs  int
	}{
		"webhook_session_complete_v3.json":             {complete, "V3", fixtureSession, "SESSION_COMPLETE|" + fixtureUser + "|" + fixtureSession, 808},
		"webhook_session_complete_v3_flat.json":        {complete, "V3", fixtureSession, "SESSION_COMPLETE|" + fixtureUser + "|" + fixtureSession, 808},
		"webhook_session_complete_v3_never_slept.json": {complete, "V3", "20260315135944_w0r8z", "SESSION_COMPLETE|" + fixtureUser + "|20260315135944_w0r8z", 204},
		"webhook_session_complete_v3_stat_null.json":   {complete, "V3", "20260316140210_p1d4f", "SESSION_COMPLETE|" + fixtureUser + "|20260316140210_p1d4f", 0},
		"webhook_v2_session_complete.json":             {complete, "V2", fixtureSession, "SESSION_COMPLETE|" + fixtureUser + "|" + fixtureSession, 808},
		"webhook_v1_session_complete.json":             {complete, "V1", fixtureSession, "SESSION_COMPLETE|" + fixtureUser + "|" + fixtureSession, 808},
		"webhook_inference_complete_v3.json":           {inference, "V3", fixtureSession, "INFERENCE_COMPLETE|" + fixtureUser + "|" + fixtureSession + "|12", 10},
		"webhook_inference_complete_v3_40_epochs.json": {inference, "V3", fixtureSession, "INFERENCE_COMPLETE|" + fixtureUser + "|" + fixtureSession + "|12", 40},
		"webhook_inference_complete_v3_flat.json":      {inference, "V3", fixtureSession, "INFERENCE_COMPLETE|" + fixtureUser + "|" + fixtureSession + "|12", 10},
		"webhook_v2_inference_complete.json":           {inference, "V2", fixtureSession, "INFERENCE_COMPLETE|" + fixtureUser + "|" + fixtureSession + "|12", 40},
		"webhook_v1_inference_complete.json":           {inference, "V1", fixtureSession, "INFERENCE_COMPLETE|" + fixtureUser + "|" + fixtureSession + "|12", 40},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := fixture(t, name)
			e, err := webhook.Decode(fixtureUser, body)
			if err != nil {
				t.Fatal(err)
			}
			if e.Kind != c.kind || e.Version != c.version || e.UserID != fixtureUser || e.SessionID != c.session || e.Key != c.key || e.Body != body {
				t.Errorf("decoded %q %q %q %q %q", e.Kind, e.Version, e.UserID, e.SessionID, e.Key)
			}
			if err := e.Check(); err != nil {
				t.Error(err)
			}
			e.Received = time.Unix(1_800_000_000, 0)
			if c.kind == complete {
				s, err := e.StoreSession()
				if err != nil || s.ID != c.session || s.UserID != fixtureUser || len(s.Epochs.Sleep) != c.epochs || !s.Settled {
					t.Errorf("session %q of %q, %d epochs, settled %v (%v)", s.ID, s.UserID, len(s.Epochs.Sleep), s.Settled, err)
				}
				if _, err := e.Inference(); !errors.Is(err, webhook.ErrUndecodable) {
					t.Errorf("it is no inference: %v", err)
				}
				return
			}
			w, err := e.StoreWindow()
			if err != nil || w.SessionID != c.session || w.UserID != fixtureUser || w.Seq != 12 || len(w.Epochs.Sleep) != c.epochs {
				t.Errorf("window %+v (%v)", w, err)
			}
			if d, err := e.Inference(); err != nil || *d.InferenceSeqNum != 12 || *d.SeqNum != 129 || d.SleepStages[0] != asleep.StageDeep {
				t.Errorf("inference %+v (%v)", d, err)
			}
			if _, err := e.Session(); !errors.Is(err, webhook.ErrUndecodable) {
				t.Errorf("it is no session: %v", err)
			}
		})
	}
}

func TestBreathingOfVersion1IsFound(t *testing.T) {
	t.Parallel()
	e, err := webhook.Decode("", fixture(t, "webhook_v1_inference_complete.json"))
	if err != nil {
		t.Fatal(err)
	}
	if d, err := e.Inference(); err != nil || len(d.BreathStages) != 40 {
		t.Errorf("%+v (%v)", d, err)
	}
}

func TestWhatABodyLacks(t *testing.T) {
	t.Parallel()
	const base = `{"event":"SESSION_COMPLETE","data":{"user_id":"u","session_id":"s"}}`
	for name, c := range map[string]struct {
		header, body string
		user         string
		key          string // prefix
		problem      string // "" for none
	}{
		"nothing":                        {"", base, "u", "SESSION_COMPLETE|u|s", ""},
		"the user, which the header has": {"h", `{"event":"SESSION_COMPLETE","data":{"session":{"id":"s"}}}`, "h", "SESSION_COMPLETE|h|s", ""},
		"the user, everywhere":           {"", `{"event":"SESSION_COMPLETE","data":{"session":{"id":"s"}}}`, "", "SESSION_COMPLETE|", "user_id"},
		"the payload's user goes first":  {"h", base, "u", "SESSION_COMPLETE|u|s", ""},
		"the session":                    {"h", `{"event":"SESSION_COMPLETE","data":{}}`, "h", "SESSION_COMPLETE|", "session id"},
		"the event":                      {"h", `{"data":{"session_id":"s"}}`, "h", "|", "event"},
		"everything":                     {"", `{}`, "", "|", "event"},
		"the number":                     {"h", `{"event":"INFERENCE_COMPLETE","session_id":"s"}`, "h", "INFERENCE_COMPLETE|", "inference_seq_num"},
		"a whole number":                 {"h", `{"event":"INFERENCE_COMPLETE","session_id":"s","inference_seq_num":1.5}`, "h", "INFERENCE_COMPLETE|", "inference_seq_num"},
		"a number from 0":                {"h", `{"event":"INFERENCE_COMPLETE","session_id":"s","inference_seq_num":-1}`, "h", "INFERENCE_COMPLETE|", "inference_seq_num"},
		"nothing; the number is 12.0":    {"h", `{"event":"INFERENCE_COMPLETE","session_id":"s","inference_seq_num":12.0}`, "h", "INFERENCE_COMPLETE|h|s|12", ""},
		"types":                          {"h", `{"event":"SESSION_COMPLETE","data":[],"user_id":7,"session_id":"s"}`, "h", "SESSION_COMPLETE|h|s", ""},
		"data, which is null":            {"h", `{"event":"SESSION_COMPLETE","data":null,"callback_data":{"session_id":"s"}}`, "h", "SESSION_COMPLETE|h|s", ""},
		"knowledge of ours":              {"h", `{"event":"USER_DELETED"}`, "h", "USER_DELETED|", ""},
		"knowledge of ours, and ids":     {"", `{"event":"PING"}`, "", "PING|", "user_id and session id"},
		"a short user id":                {"", `{"event":"SESSION_COMPLETE","user_id":"` + strings.Repeat("u", 513) + `","session_id":"s"}`, "", "SESSION_COMPLETE|", "user_id is longer"},
		"a storable session id":          {"h", `{"event":"SESSION_COMPLETE","session_id":"a\u0000b"}`, "h", "SESSION_COMPLETE|", "session_id is longer"},
		"a short event":                  {"h", `{"event":"` + strings.Repeat("E", 513) + `"}`, "h", "|", "event is longer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := webhook.Decode(c.header, c.body)
			if err != nil {
				t.Fatal(err)
			}
			if e.UserID != c.user || !strings.HasPrefix(e.Key, c.key) {
				t.Errorf("user %q, key %q", e.UserID, e.Key)
			}
			err = e.Check()
			if (err != nil) != (c.problem != "") || err != nil && (!errors.Is(err, webhook.ErrIncomplete) || !strings.Contains(err.Error(), c.problem)) {
				t.Errorf("problem %v, want %q", err, c.problem)
			}
			if _, err := e.Stored().Normalize(time.Now()); err != nil {
				t.Errorf("no store would take it: %v", err)
			}
		})
	}
}

func TestFieldsOfAKeyCannotBeMistaken(t *testing.T) {
	t.Parallel()
	keys := map[string]string{}
	for _, ids := range [][2]string{{"a|b", "c"}, {"a", "b|c"}, {`a\`, "b|c"}, {`a\|b`, "c"}, {`a\\`, "|c"}, {"a", "c"}, {"a|b|c", "d"}} {
		body, err := json.Marshal(map[string]string{"event": "SESSION_COMPLETE", "user_id": ids[0], "session_id": ids[1]})
		if err != nil {
			t.Fatal(err)
		}
		e, err := webhook.Decode("", string(body))
		if err != nil {
			t.Fatal(err)
		}
		if other, taken := keys[e.Key]; taken {
			t.Errorf("%q and %s have the key %q", ids, other, e.Key)
		}
		keys[e.Key] = string(body)
	}
}

func TestWhatIsNotSignedHasKeysOfItsOwn(t *testing.T) {
	t.Parallel()
	e, err := webhook.Decode("", fixture(t, "webhook_session_complete_v3.json"))
	if err != nil {
		t.Fatal(err)
	}
	signed := e.Stored()
	e.Signed = false
	bare := e.Stored()
	if bare.Key != "unsigned|"+signed.Key {
		t.Errorf("keys %q and %q", signed.Key, bare.Key)
	}
	for _, s := range []store.Event{signed, bare} {
		s.Received = time.Unix(1_800_000_000, 0)
		got, err := webhook.EventOf(store.Claim{Event: s, ID: "7", Revision: 2, Attempts: 3})
		if err != nil {
			t.Fatal(err)
		}
		if got.Signed != (s.Key == signed.Key) || got.ID != "7" || got.Revision != 2 || got.Attempt != 4 || got.Key != s.Key || !got.Received.Equal(s.Received) || got.Stored().Key != s.Key {
			t.Errorf("claimed %+v", got)
		}
	}
	if _, err := webhook.EventOf(store.Claim{}); !errors.Is(err, webhook.ErrUndecodable) {
		t.Errorf("a claim without a body: %v", err)
	}
}

func TestAHeaderUserSurvivesTheInbox(t *testing.T) {
	t.Parallel()
	e, err := webhook.Decode("from-the-header", `{"event":"SESSION_COMPLETE","version":"V3","data":{"session":{"id":"s"}}}`)
	if err != nil {
		t.Fatal(err)
	}
	again, err := webhook.EventOf(store.Claim{Event: e.Stored()})
	if err != nil || again.UserID != "from-the-header" || again.Key != e.Key {
		t.Errorf("%q (%v)", again.UserID, err)
	}
}

// undecodable are bodies of which nothing may be stored.
var undecodable = map[string]string{
	"empty": "", "space": " ", "null": "null", "array": "[]", "string": `"x"`, "number": "1", "truncated": `{"event":"SESSION_COMPLETE","data":{"session":{"id":"`,
	"NaN": `{"event":"X","n":NaN}`, "Infinity": `{"n":-Infinity}`, "hex": `{"n":0x1}`, "leading zero": `{"n":01}`, "bare point": `{"n":1.}`, "bare exponent": `{"n":1e}`, "plus": `{"n":+1}`,
	"not UTF-8": "{\"event\":\"\xff\"}", "a byte order mark": "\ufeff{}", "two objects": "{}{}", "trailing comma": `{"a":1,}`, "trailing comma in an array": `{"a":[1,]}`,
	"single quotes": `{'a':1}`, "comment": `{/**/}`, "control character": "{\"a\":\"\n\"}", "bad escape": `{"a":"\x"}`, "bad hex": `{"a":"\u12g4"}`, "no colon": `{"a" 1}`, "no name": `{1:1}`, "lone minus": `{"a":-}`,
	"deep arrays": `{"a":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + "}", "deep objects": strings.Repeat(`{"data":`, 10_000) + "1" + strings.Repeat("}", 10_000),
	"unclosed depths": `{"a":` + strings.Repeat("[", 1<<20), "second event": `{"event":"A","event":"B"}`, "second event in another case": `{"event":"A","EVENT":"B"}`,
	"second event, escaped": `{"event":"A","\u0065vent":"B"}`, "second data": `{"data":{},"data":{}}`, "second user": `{"data":{"user_id":"a","user_id":"b"}}`,
	"second session id": `{"data":{"session":{"id":"a","id":"b"}}}`, "second session": `{"data":{"session":{},"session":{}}}`, "second id within": `{"callback_data":{"sleep_data":{"session":{"id":"a","id":"a"}}}}`,
	"second number": `{"inference_seq_num":1,"inference_seq_num":2}`, "true story": `{"a":truth}`, "nothing after the colon": `{"a":}`, "text after": `{} x`,
}

func TestUndecodableBodies(t *testing.T) {
	t.Parallel()
	for name, body := range undecodable {
		if e, err := webhook.Decode("u", body); !errors.Is(err, webhook.ErrUndecodable) || e != (webhook.Event{}) {
			t.Errorf("45 %s: %v", name, err)
		} else if len(err.Error()) > 120 {
			t.Errorf("45 %s: the error is as long as the body: %.200v", name, err)
		}
	}
	for name, body := range map[string]string{
		"space around":                " \n{ \"event\" : \"X\" , \"a\" : [ ] , \"b\" : { } }\t\r ",
		"an unread name twice":        `{"reason":1,"reason":2}`,
		"a read name elsewhere":       `{"event":"X","other":{"event":"Y","data":1},"list":[{"user_id":1},{"user_id":2}]}`,
		"numbers of all forms":        `{"a":[0,-0,1.5,-1e9,1E+9,2e-3]}`,
		"escapes of all forms":        `{"a":"\"\\\/\b\f\n\r\tA\uD83D\uDE00"}`,
		"500 levels":                  `{"a":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + "}",
		"null where objects would be": `{"event":null,"data":null,"callback_data":null,"session":null}`,
	} {
		if _, err := webhook.Decode("u", body); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestABodyAboutTwoSessionsIsNoReport(t *testing.T) {
	t.Parallel()
	e, err := webhook.Decode("u", `{"event":"SESSION_COMPLETE","session_id":"a","session":{"id":"b"}}`)
	if err != nil || e.SessionID != "a" {
		t.Fatalf("session %q (%v)", e.SessionID, err)
	}
	if _, err := e.Session(); !errors.Is(err, webhook.ErrUndecodable) {
		t.Errorf("%v", err)
	}
	e, _ = webhook.Decode("u", `{"event":"SESSION_COMPLETE","session_id":"a","stat":null}`)
	if _, err := e.Session(); !errors.Is(err, webhook.ErrUndecodable) {
		t.Errorf("without a session: %v", err)
	}
	e, _ = webhook.Decode("u", `{"event":"SESSION_COMPLETE","session_id":"a","session":{"state":"COMPLETE"}}`)
	if r, err := e.Session(); err != nil || r.Session.ID != "a" {
		t.Errorf("the session's id is beside it: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, body := range undecodable {
		if len(body) < 1<<10 {
			f.Add("u", body)
		}
	}
	names, _ := filepath.Glob("../testdata/fixtures/webhook_*")
	for _, name := range names {
		f.Add("", fixture(f, filepath.Base(name)))
	}
	f.Fuzz(func(t *testing.T, header, body string) {
		e, err := webhook.Decode(header, body)
		if err != nil {
			if !errors.Is(err, webhook.ErrUndecodable) {
				t.Errorf("%v", err)
			}
			return
		}
		// What is accepted is JSON, to the last byte, and any store keeps it.
		if !json.Valid([]byte(body)) || !json.Valid([]byte(e.Payload)) {
			t.Errorf("accepted what encoding/json does not: %q", body)
		}
		s := e.Stored()
		if _, err := s.Normalize(time.Now()); err != nil {
			t.Errorf("no store takes it: %v", err)
		}
		again, err := webhook.EventOf(store.Claim{Event: s})
		if err != nil || again.Key != e.Key || again.UserID != e.UserID || again.SessionID != e.SessionID || again.Kind != e.Kind {
			t.Errorf("another event after the inbox: %+v (%v)", again, err)
		}
		_, _ = e.Session()
		_, _ = e.StoreSession()
		_, _ = e.StoreWindow()
		if (e.Check() == nil) && e.Kind == asleep.WebhookEventSessionComplete && e.SessionID == "" {
			t.Error("complete without a session")
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for _, name := range []string{"webhook_session_complete_v3.json", "webhook_inference_complete_v3.json"} {
		b.Run(name, func(b *testing.B) {
			body := fixture(b, name)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := webhook.Decode("", body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
