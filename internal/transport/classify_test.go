package transport_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/internal/transport"
)

func TestForbiddenHasThreeMeaningsToldApartByItsDetail(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 64<<10)
	for body, want := range map[string]transport.Class{
		`{"detail":"Rate limit exceeded"}`:                           transport.ClassRateLimited,
		`{"detail":"RATE   LIMIT\texceeded"}`:                        transport.ClassRateLimited,
		"{\"detail\":\"Rate\u00a0\\nlimit\"}":                        transport.ClassRateLimited,
		`{"detail":"rate_limit_exceeded"}`:                           transport.ClassRateLimited,
		`{"detail":"rate-limit"}`:                                    transport.ClassRateLimited,
		`{"detail":["Rate limit exceeded"]}`:                         transport.ClassRateLimited,
		`{"detail":{"code":1,"msg":"Rate limit exceeded"}}`:          transport.ClassRateLimited,
		`{"detail":[{"msg":"Rate limit exceeded","loc":["query"]}]}`: transport.ClassRateLimited,
		`{"message":"Rate limit exceeded"}`:                          transport.ClassRateLimited,
		`{"detail":null,"message":"rate limit"}`:                     transport.ClassRateLimited,
		`{"detail":{"plan":"basic","msg":"Rate limit exceeded"}}`:    transport.ClassRateLimited, // a key is not a word
		`{"detail":"Quota exceeded"}`:                                transport.ClassQuotaExceeded,
		`{"detail":"Quota of the rate limit plan is used up"}`:       transport.ClassQuotaExceeded, // quota first
		`{"detail":"Plan expired"}`:                                  transport.ClassPlanExpired,
		`{"detail":"Rate limit of an expired plan"}`:                 transport.ClassPlanExpired, // plan before rate limit
		`{"detail":["","Your PLAN has ended"]}`:                      transport.ClassPlanExpired,
		`{"detail":"token invalid"}`:                                 transport.ClassForbidden,
		`{"message":"Forbidden"}`:                                    transport.ClassForbidden,
		`{"detail":"token invalid","message":"rate limit"}`:          transport.ClassForbidden, // detail wins
		`{"detail":"limit of rate"}`:                                 transport.ClassForbidden,
		`{"detail":{"rate limit":1}}`:                                transport.ClassForbidden,
		`{"detail":null}`:                                            transport.ClassForbidden,
		`{"detail":"rate limit`:                                      transport.ClassForbidden, // cut
		`{"detail":"rate limit"} trailing`:                           transport.ClassForbidden,
		`<html>rate limit</html>`:                                    transport.ClassForbidden,
		`"rate limit"`:                                               transport.ClassForbidden,
		`["rate limit"]`:                                             transport.ClassForbidden,
		`null`:                                                       transport.ClassForbidden,
		``:                                                           transport.ClassForbidden,
		`{"detail":"rate limit","x":"` + big + `"}`:                  transport.ClassForbidden, // oversized
	} {
		if got := transport.Classify(403, []byte(body)); got != want {
			t.Errorf("%.80q is %v, want %v", body, got, want)
		}
	}
}

func TestStatusesAreClassified(t *testing.T) {
	t.Parallel()
	want := map[transport.Class][]int{
		transport.ClassOK:          {200, 201, 204, 304},
		transport.ClassRedirect:    {300, 301, 302, 303, 307, 308},
		transport.ClassRateLimited: {429},
		transport.ClassTerminal:    {400, 401, 402, 404, 405, 409, 410, 413, 415, 422, 451, 501, 505, 511},
		transport.ClassTransient:   {408, 500, 502, 503, 504, 507, 520, 529, 599, 999},
		transport.ClassForbidden:   {403},
	}
	for class, statuses := range want {
		for _, status := range statuses {
			if got := transport.Classify(status, []byte(`{"detail":"x"}`)); got != class {
				t.Errorf("%d is %v, want %v", status, got, class)
			}
		}
	}
	// The text of other statuses changes nothing.
	for _, status := range []int{401, 429, 500, 200} {
		if transport.Classify(status, []byte(`{"detail":"quota"}`)) != transport.Classify(status, nil) {
			t.Errorf("%d: the body was looked at", status)
		}
	}
}

func TestClassNamesAreDistinct(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for c := transport.ClassNone; c <= transport.ClassRefused; c++ {
		if seen[c.String()] || c.String() == "unknown" {
			t.Errorf("class %d is called %q", c, c)
		}
		seen[c.String()] = true
	}
	if got := transport.Class(200).String(); got != "unknown" {
		t.Errorf("an unknown class is called %q", got)
	}
}

func TestOnlyUpstreamsOwnTroubleIsAFailure(t *testing.T) {
	t.Parallel()
	for c := transport.ClassNone; c <= transport.ClassRefused; c++ {
		want := c == transport.ClassTransient || c == transport.ClassTransport || c == transport.ClassTimeout
		if got := (transport.Outcome{Class: c}).Failure(); got != want {
			t.Errorf("%v: Failure() = %v", c, got)
		}
	}
}

func ExampleDetailText() {
	fmt.Println(transport.DetailText([]byte(`{"detail":"user does not exist"}`)))
	fmt.Println(transport.DetailText([]byte(`{"detail":[{"loc":["query","limit"],"msg":"not a number"}]}`)))
	fmt.Println(transport.DetailText([]byte(`{"message":"Forbidden"}`)))
	fmt.Printf("%q\n", transport.DetailText([]byte(`<html>`)))
	// Output:
	// user does not exist
	// query; limit; not a number
	// Forbidden
	// ""
}

func FuzzClassify(f *testing.F) {
	for _, body := range []string{
		`{"detail":"Rate limit exceeded"}`, `{"detail":[{"msg":"quota"}]}`, `{"detail":{"a":["plan"]}}`,
		`{"message":"Forbidden"}`, `<html>`, ``, `{"detail":`, `[[[[[[`, `{"detail":"\ud800"}`,
	} {
		f.Add(403, []byte(body))
		f.Add(500, []byte(body))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		before := string(body)
		class := transport.Classify(status, body)
		if string(body) != before {
			t.Fatal("the body was changed")
		}
		text := strings.ToLower(transport.DetailText(body))
		forbidden := class == transport.ClassForbidden || class == transport.ClassQuotaExceeded || class == transport.ClassPlanExpired
		switch {
		case forbidden && status != 403:
			t.Fatalf("%d is %v", status, class)
		case status == 403 && strings.Contains(text, "quota") && class != transport.ClassQuotaExceeded:
			t.Fatalf("%q is %v", text, class)
		case status == 403 && class == transport.ClassRateLimited && strings.Contains(text, "plan"):
			t.Fatalf("%q would be waited for", text)
		case status == 403 && text == "" && class != transport.ClassForbidden:
			t.Fatalf("no text, but %v", class)
		}
	})
}

func BenchmarkClassify(b *testing.B) {
	body := []byte(`{"detail":"Rate limit exceeded"}`)
	b.Run("403", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			transport.Classify(403, body)
		}
	})
	b.Run("200", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			transport.Classify(200, body)
		}
	})
}
