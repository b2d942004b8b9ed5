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

func TestRawIsAPartOfTheBodyWithoutACopy(t *testing.T) {
	t.Parallel()
	body := []byte(`{"detail":"OK","result":{"user_id":"u","x":"` + strings.Repeat("x", 1000) + `"}}`)
	u, err := decodeResult(&answer{body: body}, parseUser)
	if err != nil {
		t.Fatal(err)
	}
	if unsafe.StringData(u.Raw) != &body[24] || len(u.Raw) != len(body)-25 {
		t.Error("Raw is a copy")
	}
}
