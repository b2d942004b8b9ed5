package ndjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/internal/cli/ndjson"
)

func TestAnObjectBecomesALineOfItsUser(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ raw, user, want string }{
		"members as they came":      {`{"b":1.0,"a":"<é>","n":12345678901234567890}`, "u1", `{"user_id":"u1","b":1.0,"a":"<é>","n":12345678901234567890}`},
		"spaces and lines go":       {"{\n  \"a\" : [ 1,\r\n\t2 ]\n}\n", "u1", `{"user_id":"u1","a":[1,2]}`},
		"spaces in texts stay":      {`{"a":" , \" } "}`, "u1", `{"user_id":"u1","a":" , \" } "}`},
		"an empty object":           {`{}`, "u1", `{"user_id":"u1"}`},
		"its own id gives way":      {`{"a":1,"user_id":"u1","b":{"user_id":"x"}}`, "u1", `{"user_id":"u1","a":1,"b":{"user_id":"x"}}`},
		"even another id":           {`{"user_id":{"x":[1,"}"]},"b":2}`, "u1", `{"user_id":"u1","b":2}`},
		"even twice and alone":      {`{"user_id":1,"user_id":2}`, "u1", `{"user_id":"u1"}`},
		"even spelled with escapes": {`{"\u0075ser_id":"x","\"user_id":3,"a\\":4}`, "u1", `{"user_id":"u1","\"user_id":3,"a\\":4}`},
		"a value is no name":        {`{"a":"user_id","c":["user_id"]}`, "u1", `{"user_id":"u1","a":"user_id","c":["user_id"]}`},
		"an id that needs escapes":  {`{"a":1}`, "ü\"<\n", `{"user_id":"ü\"<\n","a":1}`},
		"without an id":             {`{ "user_id": "x" }`, "", `{"user_id":"x"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			if err := ndjson.NewWriter(&b).Object(c.raw, c.user); err != nil {
				t.Fatal(err)
			}
			if got := b.String(); got != c.want+"\n" {
				t.Errorf("wrote %q\nwant  %q", got, c.want+"\n")
			}
			if got, err := ndjson.AppendObject([]byte("x"), c.raw, c.user); err != nil || string(got) != "x"+c.want {
				t.Errorf("appended %q, %v; want %q", got, err, "x"+c.want)
			}
		})
	}
}

func TestWhatIsNoObjectIsNotWritten(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"", " ", "null", "[]", `"a"`, "{", `{"a":1}{"b":2}`, `{"a":1}x`, "{\"a\":\"\n\"}"} {
		var b bytes.Buffer
		if err := ndjson.NewWriter(&b).Object(raw, "u1"); !errors.Is(err, ndjson.ErrNotObject) || b.Len() > 0 {
			t.Errorf("%q: %v, and %q was written", raw, err, b.String())
		}
		if got, err := ndjson.AppendObject([]byte("x"), raw, "u1"); !errors.Is(err, ndjson.ErrNotObject) || string(got) != "x" {
			t.Errorf("%q: %v, and it is %q", raw, err, got)
		}
	}
}

// countingWriter fails after some calls.
type countingWriter struct{ calls, failAt int }

func (w *countingWriter) Write(b []byte) (int, error) {
	if w.calls++; w.calls == w.failAt {
		return 0, io.ErrShortWrite
	}
	return len(b), nil
}

func TestALineIsOneWriteAndItsErrorIsReported(t *testing.T) {
	t.Parallel()
	sink := &countingWriter{failAt: 2}
	w := ndjson.NewWriter(sink)
	if err := w.Object(`{"a":1}`, "u"); err != nil || sink.calls != 1 {
		t.Errorf("%v after %d writes", err, sink.calls)
	}
	if err := w.Object(`{"a":1}`, "u"); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("the writer's error is lost: %v", err)
	}
}

func FuzzObject(f *testing.F) {
	f.Add(`{"a":[1,{"user_id":2}],"user_id":"x"}`, "u1")
	f.Add(`{"\u0075ser_id":"\\","b":"\""}`, "ü\x00")
	f.Add("{ }", "")
	f.Fuzz(func(t *testing.T, raw, user string) {
		var b bytes.Buffer
		if err := ndjson.NewWriter(&b).Object(raw, user); err != nil {
			if b.Len() > 0 || json.Valid([]byte(raw)) && strings.HasPrefix(strings.TrimSpace(raw), "{") {
				t.Fatalf("%v, and %q was written", err, b.String())
			}
			return
		}
		line := b.String()
		if !json.Valid(b.Bytes()) || strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") {
			t.Fatalf("not one line of JSON: %q", line)
		}
		want, got := decode(t, raw), decode(t, line)
		if user != "" {
			if names(t, line)["user_id"] != 1 {
				t.Fatalf("user_id does not stand there once: %q", line)
			}
			encoded, _ := json.Marshal(user)
			var id string
			_ = json.Unmarshal(encoded, &id) // as JSON can hold it
			want["user_id"] = id
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q became %q", raw, line)
		}
	})
}

func decode(t *testing.T, text string) (m map[string]any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

// names counts the members of an object by their decoded names.
func names(t *testing.T, text string) map[string]int {
	t.Helper()
	count := map[string]int{}
	d := json.NewDecoder(strings.NewReader(text))
	_, _ = d.Token()
	for d.More() {
		name, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		count[name.(string)]++
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			t.Fatal(err)
		}
	}
	return count
}

func BenchmarkObject(b *testing.B) {
	raw := `{"session":{"id":"20260314225107_abcde","sleep_stages":[` + strings.Repeat("0, 1, 2, 3, ", 250) + `1]},"stat":null}`
	w := ndjson.NewWriter(io.Discard)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Object(raw, "user-0001"); err != nil {
			b.Fatal(err)
		}
	}
}
