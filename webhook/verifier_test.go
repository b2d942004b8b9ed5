package webhook_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/webhook"
)

const (
	testKey    = "ak_test_4242424242"
	testSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	testBody   = `{"test": 2432232314}`
)

func newVerifier(tb testing.TB, c webhook.VerifierConfig) *webhook.Verifier {
	tb.Helper()
	v, err := webhook.NewVerifier(c)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func signatureMode() webhook.VerifierConfig {
	return webhook.VerifierConfig{Secrets: []string{testSecret}, Keys: []string{testKey}}
}

func signed(body string) http.Header {
	return http.Header{"X-Api-Key": {testKey}, "X-Signature": {webhook.Sign(testSecret, []byte(body))}}
}

// standard signs by Standard Webhooks at an instant.
func standard(tb testing.TB, secret, id string, at time.Time, body string) http.Header {
	tb.Helper()
	signature, err := webhook.SignStandard(secret, id, at, []byte(body))
	if err != nil {
		tb.Fatal(err)
	}
	return http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {strconv.FormatInt(at.Unix(), 10)}, "Webhook-Signature": {signature}}
}

func with(h http.Header, name string, values ...string) http.Header {
	h = h.Clone()
	if h[name] = values; len(values) == 0 {
		delete(h, name)
	}
	return h
}

func TestTheDocumentsScheme(t *testing.T) {
	t.Parallel()
	right := signed(testBody)
	mac := right.Get("X-Signature")
	for name, c := range map[string]struct {
		header http.Header
		want   error
	}{
		"01 valid":                      {right, nil},
		"02 key missing":                {with(right, "X-Api-Key"), webhook.ErrNoKey},
		"02 key empty":                  {with(right, "X-Api-Key", ""), webhook.ErrNoKey},
		"03 key of the same length":     {with(right, "X-Api-Key", "ak_test_4242424243"), webhook.ErrBadKey},
		"03 prefix of the key":          {with(right, "X-Api-Key", testKey[:len(testKey)-1]), webhook.ErrBadKey},
		"03 longer key":                 {with(right, "X-Api-Key", testKey+"2"), webhook.ErrBadKey},
		"03 key in another case":        {with(right, "X-Api-Key", strings.ToUpper(testKey)), webhook.ErrBadKey},
		"03 key and a space":            {with(right, "X-Api-Key", testKey+" "), webhook.ErrBadKey},
		"04 signature absent":           {with(right, "X-Signature"), webhook.ErrNoSignature},
		"05 signature empty":            {with(right, "X-Signature", ""), webhook.ErrMalformedSignature},
		"05 signature of odd length":    {with(right, "X-Signature", mac[:63]), webhook.ErrMalformedSignature},
		"05 signature of 62":            {with(right, "X-Signature", mac[:62]), webhook.ErrMalformedSignature},
		"05 signature of 2":             {with(right, "X-Signature", mac[:2]), webhook.ErrMalformedSignature},
		"05 signature of 65":            {with(right, "X-Signature", mac+"0"), webhook.ErrMalformedSignature},
		"05 signature that is not hex":  {with(right, "X-Signature", "g"+mac[1:]), webhook.ErrMalformedSignature},
		"05 signature in upper case":    {with(right, "X-Signature", strings.ToUpper(mac)), nil},
		"05 signature after sha256=":    {with(right, "X-Signature", "sha256="+mac), nil},
		"05 signature after sha1=":      {with(right, "X-Signature", "sha1="+mac), webhook.ErrMalformedSignature},
		"07 signed with another secret": {with(right, "X-Signature", webhook.Sign("another", []byte(testBody))), webhook.ErrBadSignature},
		"07 signed with the empty key":  {with(right, "X-Signature", webhook.Sign("", []byte(testBody))), webhook.ErrBadSignature},
		"09 two signatures":             {with(right, "X-Signature", mac, mac), webhook.ErrRepeatedHeader},
		"09 two keys":                   {with(right, "X-Api-Key", testKey, testKey), webhook.ErrRepeatedHeader},
		"09 two users":                  {with(right, "X-User-Id", "a", "b"), webhook.ErrRepeatedHeader},
		"28 none of all":                {http.Header{}, webhook.ErrNoKey},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id, err := newVerifier(t, signatureMode()).Verify(c.header, []byte(testBody))
			if !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if err == nil && id != (webhook.Identity{Signed: true, Scheme: webhook.SchemeHex}) {
				t.Errorf("identity %+v", id)
			}
			if unauthorized := err != nil && !errors.Is(err, webhook.ErrRepeatedHeader); errors.Is(err, webhook.ErrUnauthorized) != unauthorized {
				t.Errorf("%v: does it match ErrUnauthorized?", err)
			}
		})
	}
}

func TestASignatureIsOfTheBytesOfTheBody(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, signatureMode())
	for name, body := range map[string]string{"one byte changed": `{"test": 2432232315}`, "the same JSON written anew": `{"test":2432232314}`, "cut off": testBody[:5], "empty": ""} {
		if _, err := v.Verify(signed(testBody), []byte(body)); !errors.Is(err, webhook.ErrBadSignature) {
			t.Errorf("06 %s: %v", name, err)
		}
	}
}

func TestStandardWebhooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Unix(1614265330, 0)
		time.Sleep(time.Until(now) + 900*time.Millisecond) // the clock counts whole seconds
		right := standard(t, testSecret, "msg_p5jXN8AQM9LWM0D4loKWxJek", now, testBody)
		published := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
		if right.Get("Webhook-Signature") != published {
			t.Fatalf("24 signed %s, want the published %s", right.Get("Webhook-Signature"), published)
		}
		other := "v1," + base64.StdEncoding.EncodeToString(make([]byte, 32))
		v := newVerifier(t, signatureMode())
		at := func(d time.Duration) http.Header { return standard(t, testSecret, "msg_1", now.Add(d), testBody) }
		list := func(entries ...string) http.Header {
			return with(right, "Webhook-Signature", strings.Join(entries, " "))
		}
		for name, c := range map[string]struct {
			header http.Header
			want   error
		}{
			"12 valid":                            {right, nil},
			"12 valid, whatever the key":          {with(right, "X-Api-Key", "another"), nil},
			"13 id missing":                       {with(right, "Webhook-Id"), webhook.ErrMalformedSignature},
			"14 timestamp missing":                {with(right, "Webhook-Timestamp"), webhook.ErrMalformedSignature},
			"15 signature missing":                {with(right, "Webhook-Signature"), webhook.ErrNoSignature},
			"16 wrong signature":                  {list(other), webhook.ErrBadSignature},
			"17 partial":                          {list("v1,"), webhook.ErrMalformedSignature},
			"18 exactly at the tolerance":         {at(-5 * time.Minute), nil},
			"18 a second too old":                 {at(-5*time.Minute - time.Second), webhook.ErrTooOld},
			"19 as far ahead as tolerated":        {at(5 * time.Minute), nil},
			"19 a second too new":                 {at(5*time.Minute + time.Second), webhook.ErrTooNew},
			"20 several, one valid":               {list(other, published), nil},
			"21 only v0":                          {list("v0," + published[3:]), webhook.ErrMalformedSignature},
			"21 only v2 and v1a":                  {list("v2,"+published[3:], "v1a,"+published[3:]), webhook.ErrMalformedSignature},
			"25 signed timestamp":                 {with(right, "Webhook-Timestamp", "+1614265330"), webhook.ErrMalformedSignature},
			"25 leading zero":                     {with(right, "Webhook-Timestamp", "01614265330"), webhook.ErrMalformedSignature},
			"25 leading space":                    {with(right, "Webhook-Timestamp", " 1614265330"), webhook.ErrMalformedSignature},
			"25 fraction":                         {with(right, "Webhook-Timestamp", "1614265330.0"), webhook.ErrMalformedSignature},
			"25 overflow":                         {with(right, "Webhook-Timestamp", "99999999999999999999"), webhook.ErrMalformedSignature},
			"25 extreme":                          {with(right, "Webhook-Timestamp", "999999999999999999"), webhook.ErrTooNew},
			"25 negative":                         {with(right, "Webhook-Timestamp", "-1614265330"), webhook.ErrMalformedSignature},
			"25 underscore":                       {with(right, "Webhook-Timestamp", "1_614265330"), webhook.ErrMalformedSignature},
			"26 id with a dot":                    {standard(t, testSecret, "msg.1", now, testBody), webhook.ErrMalformedSignature},
			"26 borders moved":                    {with(right, "Webhook-Id", "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330"), webhook.ErrMalformedSignature},
			"27 id of 128":                        {standard(t, testSecret, strings.Repeat("i", 128), now, testBody), nil},
			"27 id of 1 kB":                       {standard(t, testSecret, strings.Repeat("i", 1<<10), now, testBody), webhook.ErrMalformedSignature},
			"27 id with a control character":      {standard(t, testSecret, "msg\x01", now, testBody), webhook.ErrMalformedSignature},
			"29 malformed pairs":                  {list("v1", ",", "v1,,", "=", "v1,?"), webhook.ErrMalformedSignature},
			"29 malformed pairs and a valid":      {list("v1", ",", "", "v1,?", published), nil},
			"30 a bad second signature":           {list(published, other), nil},
			"31 the other scheme's form":          {list(webhook.Sign(testSecret, []byte(testBody))), webhook.ErrMalformedSignature},
			"32 deadbeef":                         {list("deadbeef"), webhook.ErrMalformedSignature},
			"35 the sixteenth counts":             {list(append(times(15, other), published)...), nil},
			"35 the seventeenth does not":         {list(append(times(16, other), published)...), webhook.ErrBadSignature},
			"35 five thousand":                    {list(append(times(5000, other), published)...), webhook.ErrBadSignature},
			"either scheme is enough":             {with(with(right, "X-Api-Key", testKey), "X-Signature", "00"), nil},
			"either scheme is enough, turned":     {with(with(signed(testBody), "Webhook-Id", "a.b"), "Webhook-Signature", other), nil},
			"two webhook-signature lines":         {with(right, "Webhook-Signature", other, published), webhook.ErrRepeatedHeader},
			"two webhook-id lines":                {with(right, "Webhook-Id", "a", "b"), webhook.ErrRepeatedHeader},
			"a signature in another of its forms": {list(strings.TrimSuffix(published, "=")), webhook.ErrMalformedSignature},
		} {
			if _, err := v.Verify(c.header, []byte(testBody)); !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		}
	})
}

func times(n int, s string) []string { return strings.Fields(strings.Repeat(s+" ", n)) }

func TestToleranceIsTheConfigurations(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := signatureMode()
		c.Tolerance = time.Hour
		old := standard(t, testSecret, "msg_1", time.Now().Add(-time.Hour), testBody)
		if _, err := newVerifier(t, c).Verify(old, []byte(testBody)); err != nil {
			t.Errorf("34 an hour old, tolerated: %v", err)
		}
		c.Tolerance = -1
		v := newVerifier(t, c)
		ancient := standard(t, testSecret, "msg_1", time.Unix(1, 0), testBody)
		if _, err := v.Verify(ancient, []byte(testBody)); err != nil {
			t.Errorf("22 any age: %v", err)
		}
		if _, err := v.Verify(with(ancient, "Webhook-Timestamp", "2"), []byte(testBody)); !errors.Is(err, webhook.ErrBadSignature) {
			t.Errorf("22 altered timestamp: %v", err)
		}
	})
}

func TestSecretsOfBothFormsVerifyAlike(t *testing.T) {
	t.Parallel()
	bare := strings.TrimPrefix(testSecret, "whsec_")
	for _, configured := range []string{testSecret, bare} {
		v := newVerifier(t, webhook.VerifierConfig{Secrets: []string{configured}})
		for _, used := range []string{testSecret, bare} {
			if _, err := v.Verify(standard(t, used, "msg_1", time.Now(), testBody), []byte(testBody)); err != nil {
				t.Errorf("23 configured %q, signed with %q: %v", configured, used, err)
			}
		}
	}
	// One that is no base64 serves the documents' scheme alone.
	v := newVerifier(t, webhook.VerifierConfig{Secrets: []string{"correct horse"}, Keys: []string{testKey}})
	h := http.Header{"X-Api-Key": {testKey}, "X-Signature": {webhook.Sign("correct horse", []byte(testBody))}}
	if _, err := v.Verify(h, []byte(testBody)); err != nil {
		t.Error(err)
	}
	if _, err := v.Verify(standard(t, testSecret, "msg_1", time.Now(), testBody), []byte(testBody)); !errors.Is(err, webhook.ErrBadSignature) {
		t.Error(err)
	}
}

func TestEmptySecretsAndKeysAreRefusedAllAtOnce(t *testing.T) {
	t.Parallel()
	_, err := webhook.NewVerifier(webhook.VerifierConfig{
		Mode: 7, Secrets: []string{"good-secret-1", "", " padded-secret", "whsec_", "whsec_not/base64!"}, Keys: []string{"", "padded-key\n"},
	})
	if err == nil {
		t.Fatal("08 accepted")
	}
	text := err.Error()
	for _, want := range []string{
		"mode 7", "secret 2 of 5 is empty", "secret 3 of 5 has spaces", "secret 4 of 5 begins with whsec_", "secret 5 of 5 begins with whsec_", "key 1 of 2 is empty", "key 2 of 2 has spaces",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("08 %q is not in %q", want, text)
		}
	}
	for _, secret := range []string{"good-secret-1", "padded", "not/base64"} {
		if strings.Contains(text, secret) {
			t.Errorf("59 the error quotes %q", secret)
		}
	}
	if _, err := webhook.NewVerifier(webhook.VerifierConfig{Keys: []string{testKey}}); err == nil || !strings.Contains(err.Error(), "no secret") {
		t.Errorf("signature mode without a secret: %v", err)
	}
	if _, err := webhook.NewVerifier(webhook.VerifierConfig{Mode: webhook.ModeKey}); err == nil || !strings.Contains(err.Error(), "no key") {
		t.Errorf("key mode without a key: %v", err)
	}
}

func TestInKeyModeTheKeyAloneIsProof(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, webhook.VerifierConfig{Mode: webhook.ModeKey, Keys: []string{testKey}, Secrets: []string{testSecret}})
	id, err := v.Verify(http.Header{"X-Api-Key": {testKey}}, []byte(testBody))
	if want := (webhook.Identity{Scheme: webhook.SchemeKey, Secret: -1}); err != nil || id != want {
		t.Errorf("%+v (%v), want %+v", id, err, want)
	}
	if id, err := v.Verify(signed(testBody), []byte(testBody)); err != nil || !id.Signed {
		t.Errorf("signed all the same: %+v (%v)", id, err)
	}
	if id, err := v.Verify(standard(t, testSecret, "msg_1", time.Now(), testBody), []byte(testBody)); err != nil || !id.Signed || id.Key != -1 {
		t.Errorf("signed, without a key: %+v (%v)", id, err)
	}
	if _, err := v.Verify(signed("another body"), []byte(testBody)); !errors.Is(err, webhook.ErrBadSignature) {
		t.Errorf("signed wrong: %v", err)
	}
	if _, err := v.Verify(http.Header{"X-Api-Key": {"wrong"}}, []byte(testBody)); !errors.Is(err, webhook.ErrBadKey) {
		t.Errorf("wrong key: %v", err)
	}
	bare := newVerifier(t, webhook.VerifierConfig{Mode: webhook.ModeKey, Keys: []string{testKey}})
	if id, err := bare.Verify(with(signed(testBody), "X-Signature", "of a gateway"), []byte(testBody)); err != nil || id.Signed {
		t.Errorf("a signature nobody can check counts for nothing: %+v (%v)", id, err)
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, webhook.VerifierConfig{Secrets: []string{"new-secret", "old-secret"}, Keys: []string{"new-key", "old-key"}})
	send := func(key, secret string) error {
		_, err := v.Verify(http.Header{"X-Api-Key": {key}, "X-Signature": {webhook.Sign(secret, []byte(testBody))}}, []byte(testBody))
		return err
	}
	for _, key := range []string{"new-key", "old-key"} {
		for _, secret := range []string{"new-secret", "old-secret"} {
			if err := send(key, secret); err != nil {
				t.Errorf("33, 36 %s, %s: %v", key, secret, err)
			}
		}
	}
	counts := func() string {
		s := v.Stats()
		out := []string{s.Mode.String()}
		for _, u := range append(s.Secrets, s.Keys...) {
			out = append(out, strconv.FormatUint(u.Accepted, 10))
		}
		return strings.Join(out, " ")
	}
	if got := counts(); got != "signature 2 2 2 2" {
		t.Errorf("36 counters %q", got)
	}
	if err := v.Replace(webhook.VerifierConfig{Secrets: []string{"new-secret"}, Keys: []string{"new-key"}}); err != nil {
		t.Fatal(err)
	}
	if err := send("old-key", "new-secret"); !errors.Is(err, webhook.ErrBadKey) {
		t.Errorf("37 the old key: %v", err)
	}
	if err := send("new-key", "old-secret"); !errors.Is(err, webhook.ErrBadSignature) {
		t.Errorf("37 the old secret: %v", err)
	}
	if got := counts(); got != "signature 2 2" {
		t.Errorf("what stays goes on counting: %q", got)
	}
	if err := v.Replace(webhook.VerifierConfig{Secrets: []string{""}}); err == nil || send("new-key", "new-secret") != nil {
		t.Errorf("a bad replacement changes nothing: %v", err)
	}
}

func TestAnAdmissionIsJudgedByItsOwnConfiguration(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, signatureMode())
	a, err := v.Admit(signed(testBody))
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Replace(webhook.VerifierConfig{Secrets: []string{"another"}, Keys: []string{"another"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Verify([]byte(testBody)); err != nil {
		t.Errorf("38 a request under way was dropped: %v", err)
	}
	if _, err := new(webhook.Admission).Verify([]byte(testBody)); !errors.Is(err, webhook.ErrUnauthorized) {
		t.Errorf("the zero admission: %v", err)
	}
}

func TestVerifyingAllocatesNothing(t *testing.T) {
	body := []byte(strings.Repeat("x", 1<<10))
	v := newVerifier(t, webhook.VerifierConfig{Secrets: []string{testSecret, "old-secret"}, Keys: []string{testKey, "old-key"}})
	for name, h := range map[string]http.Header{"hex": signed(string(body)), "standard": standard(t, testSecret, "msg_1", time.Now(), string(body))} {
		if n := testing.AllocsPerRun(100, func() {
			if _, err := v.Verify(h, body); err != nil {
				t.Fatal(err)
			}
		}); n != 0 && !raceEnabled {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(testKey, "aa", "msg_1", "1614265330", "v1,x v2", testBody)
	f.Add("", "sha256=", "", "+0", " ", "")
	f.Add(testKey, webhook.Sign("wrong", []byte(testBody)), "a.b", "0", "v1,"+strings.Repeat("A", 44), testBody)
	f.Fuzz(func(t *testing.T, key, hex, id, stamp, list, body string) {
		v := newVerifier(t, signatureMode())
		h := http.Header{"X-Api-Key": {key}, "X-Signature": {hex}, "Webhook-Id": {id}, "Webhook-Timestamp": {stamp}, "Webhook-Signature": {list}}
		// Nobody guesses the secret: whatever is made up is refused, for a reason.
		if _, err := v.Verify(h, []byte(body)); !errors.Is(err, webhook.ErrUnauthorized) {
			t.Errorf("%v", err)
		}
	})
}

func FuzzVerifyStandardHeader(f *testing.F) {
	for _, s := range []string{"", "v1,", "v0,x", "v1a,y v1", strings.Repeat("v1,"+strings.Repeat("A", 44)+" ", 20), "deadbeef", "\x00"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		v := newVerifier(t, signatureMode())
		h := standard(t, testSecret, "msg_1", time.Now(), testBody)
		right := h.Get("Webhook-Signature")
		// A valid signature among the first sixteen counts, whatever stands beside it.
		_, err := v.Verify(with(h, "Webhook-Signature", before+" "+right+" "+after), []byte(testBody))
		if within := strings.Count(before, " ") < 15; (err == nil) != within {
			t.Errorf("%q before it: %v", before, err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	body := []byte(strings.Repeat("x", 1<<10))
	v := newVerifier(b, webhook.VerifierConfig{Secrets: []string{testSecret, "old-secret"}, Keys: []string{testKey, "old-key"}})
	for name, h := range map[string]http.Header{"hex": signed(string(body)), "standard": standard(b, testSecret, "msg_1", time.Now(), string(body))} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(h, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
