package asleep_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep"
)

const fixtures = "testdata/fixtures"

type fixture struct {
	Name     string
	Status   int    `json:"status"`
	Endpoint string `json:"endpoint"`
	Body     []byte
}

// manifest lists the fixtures, each a body for one case of the contract.
func manifest(tb testing.TB) []fixture {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join(fixtures, "manifest.json"))
	if err != nil {
		tb.Fatal(err)
	}
	byName := map[string]fixture{}
	if err := json.Unmarshal(b, &byName); err != nil {
		tb.Fatal(err)
	}
	var list []fixture
	for name, f := range byName {
		f.Name = name
		f.Body = read(tb, name)
		list = append(list, f)
	}
	return list
}

func read(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join(fixtures, name))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// result is the member result of an envelope, as it stands in the file.
func result(tb testing.TB, body []byte) string {
	tb.Helper()
	var envelope struct {
		Result json.RawMessage `json:"result"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		tb.Fatal(err)
	}
	return string(envelope.Result)
}

func report(tb testing.TB, name string) *asleep.Report {
	tb.Helper()
	r, err := asleep.ParseReport(result(tb, read(tb, name)))
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// decoderOf says what decodes the bodies of an endpoint; raw tells the Raw of
// what was decoded, where it has one.
func decoderOf(f fixture) (into any, payload string, raw func() string) {
	switch {
	case strings.HasPrefix(f.Name, "webhook_malformed"), f.Name == "manifest.json":
		return nil, "", nil
	case strings.HasPrefix(f.Name, "webhook_"):
		v := new(asleep.WebhookBody)
		return v, strings.TrimSpace(string(f.Body)), func() string { return v.Raw }
	case strings.Contains(f.Endpoint, "(request)"):
		return new(asleep.CreateUserRequest), string(f.Body), nil
	case f.Status >= 400 && json.Valid(f.Body):
		return new(asleep.Failure), string(f.Body), nil
	}
	var envelope struct {
		Result json.RawMessage `json:"result"`
	}
	if json.Unmarshal(f.Body, &envelope) != nil || envelope.Result == nil || string(envelope.Result) == "null" {
		return nil, "", nil
	}
	payload = string(envelope.Result)
	switch f.Endpoint {
	case "GET /data/v3/sessions/{session_id}":
		v := new(asleep.Report)
		return v, payload, func() string { return v.Raw }
	case "GET /data/v1/sessions":
		return new(asleep.SessionList), payload, nil
	case "GET /data/v1/users/{user_id}/average-stats":
		v := new(asleep.AverageStats)
		return v, payload, func() string { return v.Raw }
	case "GET /ai/v1/users/{user_id}":
		v := new(asleep.User)
		return v, payload, func() string { return v.Raw }
	case "POST /ai/v1/users":
		return new(asleep.CreatedUser), payload, nil
	}
	return nil, "", nil
}

func TestEveryFixtureDecodesAndReencodesWithoutLoss(t *testing.T) {
	t.Parallel()
	decoded := 0
	for _, f := range manifest(t) {
		into, payload, raw := decoderOf(f)
		if into == nil {
			continue
		}
		decoded++
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			if err := json.Unmarshal([]byte(payload), into); err != nil {
				t.Fatal(err)
			}
			if raw != nil && raw() != payload {
				t.Error("Raw is not the JSON as it came")
			}
			out, err := json.Marshal(into)
			if err != nil {
				t.Fatal(err)
			}
			if missing := lost(value(t, []byte(payload)), value(t, out), ""); missing != "" {
				t.Errorf("lost in encoding: %s", missing)
			}
		})
	}
	if decoded < 50 {
		t.Errorf("only %d fixtures were decoded: does the manifest still name endpoints as it did?", decoded)
	}
}

func TestUneditedValuesEncodeAsTheyCame(t *testing.T) {
	t.Parallel()
	for _, f := range manifest(t) {
		into, payload, raw := decoderOf(f)
		if raw == nil {
			continue
		}
		if err := json.Unmarshal([]byte(payload), into); err != nil {
			t.Fatal(f.Name, err)
		}
		out, err := json.Marshal(into)
		if err != nil {
			t.Fatal(f.Name, err)
		}
		var want bytes.Buffer
		if err := json.Compact(&want, []byte(payload)); err != nil {
			t.Fatal(f.Name, err)
		}
		if string(out) != want.String() {
			t.Errorf("%s: encoding changed the JSON", f.Name)
		}
	}
}

func value(t *testing.T, b []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// lost names a member of want that got lacks or has otherwise. What got has
// beyond that is fine.
func lost(want, got any, path string) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return path
		}
		for name, v := range w {
			if _, ok := g[name]; !ok && v != nil {
				return path + "." + name
			}
			if missing := lost(v, g[name], path+"."+name); missing != "" {
				return missing
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return path
		}
		for i := range w {
			if missing := lost(w[i], g[i], path+"[]"); missing != "" {
				return missing
			}
		}
		return ""
	}
	if !reflect.DeepEqual(want, got) {
		return path
	}
	return ""
}
