package client

import (
	"encoding/json"
	"strings"
	"testing"
	"unsafe"
)

// reference is envelopeResult by encoding/json: the members of the object, read
// one by one, as names must match exactly and the last of the same name counts.
func reference(body string) (result string, ok bool) {
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(body), &members) != nil || members["result"] == nil {
		return "", false
	}
	return string(members["result"]), string(members["result"]) != "null"
}

func FuzzEnvelope(f *testing.F) {
	for _, seed := range []string{
		`{"detail":"OK","result":{"a":[1,2,{"b":"}\""}],"c":null}}`, ` { "result" : "x" , "detail":7 } `, `{"result":1}`, `{"result":-1.5e3,"a":tru}`,
		`{"r\u0065sult":true}`, `{"result":null,"result":[]}`, `{"result":{}}x`, `{"result":{`, `{"result"`, `{"result":`, `{"a":"\`, `{"result":]}`,
		`{"result":{"a":1},}`, `{,"result":1}`, `{"result":1 2}`, `{"result":[}]}`, `null`, `[]`, `{}`, ``, `{"a":{"result":1}}`, `{"result":"\u00zz"}`,
		`{"result":nullx}`, `{"result":{"a":}}`, `{"result" 1}`, `{"x":1:"result":2}`, "{\"result\":\"\x00\"}", "{\"result\":\"\xff\"}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		want, wantOK := reference(body)
		got, err := envelopeResult(body)
		// The result itself is judged by its parser.
		ok := err == nil && json.Valid([]byte(got))
		if ok != wantOK || ok && got != want {
			t.Errorf("%q: %q, %v; encoding/json says %q, %v", body, got, err, want, wantOK)
		}
	})
}

func TestAResultIsNotCopied(t *testing.T) {
	t.Parallel()
	body := `{"detail":"OK","result":{"user_id":"u","x":"` + strings.Repeat("x", 1000) + `"}}`
	result, err := envelopeResult(body)
	if err != nil {
		t.Fatal(err)
	}
	if at := uintptr(unsafe.Pointer(unsafe.StringData(result))) - uintptr(unsafe.Pointer(unsafe.StringData(body))); at != 24 {
		t.Errorf("the result lies %d bytes behind the body's beginning, want 24: a copy", at)
	}
	u, err := parseUser(result)
	if err != nil || unsafe.StringData(u.Raw) != unsafe.StringData(result) {
		t.Errorf("Raw is a copy: %v", err)
	}
}
