package sign_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/internal/sign"
)

func TestHexIsTheHMACOfTheBodyKeyedVerbatim(t *testing.T) {
	t.Parallel()
	// RFC 4231, test case 2.
	got := sign.Hex("Jefe", []byte("what do ya want for nothing?"))
	if want := "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"; got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

const (
	vectorSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	vectorID     = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	vectorTime   = 1614265330
	vectorBody   = `{"test": 2432232314}`
	vectorWant   = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

func TestStandardIsThePublishedVector(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{vectorSecret, strings.TrimPrefix(vectorSecret, "whsec_")} {
		got, err := sign.Standard(secret, vectorID, time.Unix(vectorTime, 0), []byte(vectorBody))
		if err != nil || got != vectorWant {
			t.Errorf("signature %s (%v), want %s", got, err, vectorWant)
		}
	}
}

func TestMACAgreesWithTheSigners(t *testing.T) {
	t.Parallel()
	key, err := sign.StandardKey(vectorSecret)
	if err != nil {
		t.Fatal(err)
	}
	m := sign.NewMAC(key)
	first := m.Message(vectorID, "1614265330", []byte(vectorBody))
	for range 3 { // pooled states start anew
		_ = m.Body([]byte("another"))
		if m.Message(vectorID, "1614265330", []byte(vectorBody)) != first {
			t.Fatal("the same message has two MACs")
		}
	}
	if !m.Body([]byte("a")).Equal(m.Body([]byte("a"))) || m.Body([]byte("a")).Equal(m.Body([]byte("b"))) {
		t.Error("Equal does not tell MACs apart")
	}
}

func TestStandardKeyRefusesWhatIsNoKey(t *testing.T) {
	t.Parallel()
	for secret, want := range map[string]error{
		"": sign.ErrEmpty, "whsec_": sign.ErrEmpty, "whsec_==": sign.ErrNotBase64,
		"not base64!": sign.ErrNotBase64, "YQ=": sign.ErrNotBase64, "YQ===": sign.ErrNotBase64, "YR==": sign.ErrNotBase64, "Y": sign.ErrNotBase64,
		"YQ==": nil, "YQ": nil, "whsec_YWJj": nil,
	} {
		if _, err := sign.StandardKey(secret); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%q: %v, want %v", secret, err, want)
		}
	}
}

func TestSenderSignsByEveryScheme(t *testing.T) {
	t.Parallel()
	h, err := sign.Sender{Key: "k", Secret: "s", UserID: "u"}.Header("{}")
	if err != nil || h.Get("x-api-key") != "k" || h.Get("x-user-id") != "u" || h.Get("x-signature") != sign.Hex("s", []byte("{}")) {
		t.Errorf("%v (%v)", h, err)
	}
	h, err = sign.Sender{Scheme: sign.SchemeStandard, Secret: vectorSecret, ID: vectorID, Time: time.Unix(vectorTime, 0)}.Header(vectorBody)
	if err != nil || h.Get("webhook-signature") != vectorWant || h.Get("webhook-timestamp") != "1614265330" || h.Get("x-api-key") != "" {
		t.Errorf("%v (%v)", h, err)
	}
	h, err = sign.Sender{Scheme: sign.SchemeKeyAlone, Key: "k"}.Header("{}")
	if err != nil || h.Get("x-signature") != "" || h.Get("x-api-key") != "k" {
		t.Errorf("%v (%v)", h, err)
	}
	for name, s := range map[string]sign.Sender{
		"no secret": {Key: "k"}, "unknown scheme": {Scheme: "rot13", Secret: "topsecret"}, "no base64": {Scheme: sign.SchemeStandard, Secret: "top secret"},
	} {
		if _, err := s.Header("{}"); err == nil || s.Secret != "" && strings.Contains(err.Error(), s.Secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzStandardKey(f *testing.F) {
	for _, s := range []string{vectorSecret, "whsec_", "YQ==", "YQ", "=", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, secret string) {
		key, err := sign.StandardKey(secret)
		if (err == nil) != (len(key) > 0) {
			t.Errorf("key of %d bytes and error %v", len(key), err)
		}
	})
}

func BenchmarkMAC(b *testing.B) {
	m, body := sign.NewMAC([]byte("secret")), make([]byte, 1<<10)
	b.ReportAllocs()
	for b.Loop() {
		_ = m.Body(body)
	}
}
