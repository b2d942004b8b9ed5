package client_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/transport"
)

func TestErrorsReadWell(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("long ", 200)
	for _, test := range []struct {
		name, body, want string
		status           int
	}{
		{"detail", `{"detail":"session does not exist"}`, "404 session does not exist (1 attempt, request r1)", 404},
		{"detail on several lines", "{\"detail\":\"one\\n\\ttwo\\u0000\"}", "400 one two (1 attempt, request r1)", 400},
		{"no body", "", "404 not found (1 attempt, request r1)", 404},
		{"long detail", `{"detail":"` + long + `"}`, "400 " + long[:500] + "… (1 attempt, request r1)", 400},
		{"object detail", `{"detail":{"code":7}}`, `400 {"code":7} (1 attempt, request r1)`, 400},
		{"odd members", `{"detail":null,"message":{"text":"no"}}`, "400 no (1 attempt, request r1)", 400},
		{"redirect", "", "302 redirected, which is not followed: check the base URL (1 attempt, request r1)", 302},
		{"not JSON", "<html>hello</html>", "200 the body is not JSON (1 attempt, request r1)", 200},
		{"detail of an empty success", `{"detail":"maintenance"}`, `200 the body has no "result" (detail "maintenance") (1 attempt, request r1)`, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c, _ := answering(t, test.status, test.body)
			_, err := c.Session(t.Context(), user, session, client.WithRequestID("r1"))
			if want := "asleep: getSession: " + test.want; err == nil || err.Error() != want {
				t.Errorf("%v\nwant %s", err, want)
			}
		})
	}
}

func TestAnErrorQuotesAtMost2KiBOfAFailureAndNothingOfASuccess(t *testing.T) {
	t.Parallel()
	page := "<html>" + strings.Repeat("é", 4<<10)
	c, _ := answering(t, 502, page)
	_, err := c.User(t.Context(), user)
	e, _ := errors.AsType[*client.Error](err)
	if e == nil || !strings.HasPrefix(e.Body, "<html>éé") || len(e.Body) > 2<<10+3 || e.Detail != "" {
		t.Errorf("error %+v", e)
	}
	c, _ = answering(t, 200, `{"detail":"OK","result":{"session":{"id":"s","state":{"weight":"very private"}}}}`)
	_, err = c.Session(t.Context(), user, session)
	wantSentinels(t, err, "decode")
	if e, _ := errors.AsType[*client.Error](err); e.Body != "" || strings.Contains(err.Error(), "private") {
		t.Errorf("error %+v", e)
	}
}

func TestOnlyTheBeginningOfAnOverLongFailureIsLookedInto(t *testing.T) {
	t.Parallel()
	c, _ := answering(t, 500, `{"detail":"`+strings.Repeat("x", 1<<20)+`"}`)
	_, err := c.User(t.Context(), user)
	wantSentinels(t, err, "unavailable")
	if e, _ := errors.AsType[*client.Error](err); e.Detail != "" || !strings.HasPrefix(e.Body, `{"detail":"xxx`) {
		t.Errorf("detail of %d bytes, body %.20s", len(e.Detail), e.Body)
	}
}

func TestA200ThatIsNotWhatWasAskedForIsErrDecode(t *testing.T) {
	t.Parallel()
	bodies := map[string]string{
		"empty":             "",
		"truncated":         `{"detail":"OK","result":{"timezone":"UTC","session":{"id":"s"`,
		"truncated outside": `{"detail":"OK","result":{"timezone":"UTC","session":{"id":"s"}}`,
		"trailing":          `{"detail":"OK","result":{"session":{"id":"s"}}} x`,
		"not JSON":          "OK",
		"HTML":              "<html></html>",
		"a list":            `[{"result":{}}]`,
		"a string":          `"result"`,
		"no result":         `{"detail":"OK"}`,
		"null":              `{"detail":"OK","result":null}`,
		"null, spaced":      `{"result" : null }`,
		"wrong case":        `{"detail":"OK","RESULT":{"session":{"id":"s"}}}`,
		"nested result":     `{"detail":{"result":{"session":{"id":"s"}}}}`,
		"list result":       `{"detail":"OK","result":[]}`,
		"string result":     `{"detail":"OK","result":"s"}`,
		"number result":     `{"detail":"OK","result":7}`,
		"object with none":  `{"detail":"OK","result":{}}`,
		"bare report":       `{"session":{"id":"s"}}`,
		"wrong type inside": `{"detail":"OK","result":{"session":{"id":["s"]}}}`,
		"byte-order mark":   "\ufeff" + `{"result":{"session":{"id":"s"}}}`,
	}
	noJSON := []string{"empty", "truncated", "truncated outside", "trailing", "not JSON", "HTML", "byte-order mark"}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, sent := answering(t, 200, body)
			_, err := c.Session(t.Context(), user, session)
			wantSentinels(t, err, "decode")
			_, err = c.User(t.Context(), user)
			wantSentinels(t, err, "decode")
			_, err = c.ListSessions(t.Context(), user, client.PageQuery{})
			wantSentinels(t, err, "decode")
			_, err = c.AverageStats(t.Context(), user, date("2026-03-01"), date("2026-03-31"))
			wantSentinels(t, err, "decode")
			if e, _ := errors.AsType[*client.Error](err); e.Layer != client.LayerDecode || e.StatusCode != http.StatusOK || client.Retryable(err) != slices.Contains(noJSON, name) {
				t.Errorf("error %+v", e)
			}
			if *sent != 4 {
				t.Errorf("%d requests: a body that cannot be decoded is not asked for again", *sent)
			}
		})
	}
}

func TestASuccessfulCreateThatCannotBeReadMayHaveCreated(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", `{"detail":"success"}`, `{"result":{}}`, `{"result":{"user_id":""}}`} {
		c, _ := answering(t, 201, body)
		_, err := c.CreateUser(t.Context(), nil)
		wantSentinels(t, err, "decode", "maybe created")
		if client.Retryable(err) {
			t.Errorf("Retryable(%v): a second user could be made", err)
		}
	}
}

func TestAnyContentTypeIsAcceptedIfTheBodyIsTheJSON(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"", "text/plain", "text/html; charset=utf-8", "application/octet-stream"} {
		wire := transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			resp := response(req, 200, ` { "result" : {"user_id":"u"} , "detail":7}`)
			resp.Header.Set("Content-Type", kind)
			return resp, nil
		})
		c := newClient(t, client.WithHTTPClient(&http.Client{Transport: wire}))
		if u, err := c.User(t.Context(), user); err != nil || u.UserID != "u" || u.Raw != `{"user_id":"u"}` {
			t.Errorf("%s: %+v, %v", kind, u, err)
		}
	}
}

func TestAny2xxIsADeletion(t *testing.T) {
	t.Parallel()
	for status, body := range map[int]string{200: `{"detail":"success"}`, 202: "", 204: ""} {
		c, _ := answering(t, status, body)
		if err := c.DeleteUser(t.Context(), user); err != nil {
			t.Error(err)
		}
	}
	for _, status := range []int{302, 304} {
		c, _ := answering(t, status, "")
		if err := c.DeleteUser(t.Context(), user); err == nil {
			t.Errorf("%d is taken for a deletion", status)
		}
	}
}

func TestStatusesWithoutAFixture(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]struct {
		sentinel  string
		retryable bool
	}{
		301: {"redirected", false}, 304: {"decode", false}, 307: {"redirected", false},
		402: {"invalid", false}, 405: {"invalid", false}, 408: {"unavailable", true}, 410: {"not found", false},
		413: {"invalid", false}, 429: {"rate limit", true}, 500: {"unavailable", true}, 501: {"unavailable", false},
		504: {"unavailable", true}, 505: {"unavailable", false}, 511: {"unavailable", false},
	} {
		c, _ := answering(t, status, "")
		_, err := c.User(t.Context(), user)
		wantSentinels(t, err, want.sentinel)
		if got := client.Retryable(err); got != want.retryable {
			t.Errorf("%d: Retryable is %v", status, got)
		}
		_, err = c.CreateUser(t.Context(), nil)
		if client.Retryable(err) && errors.Is(err, client.ErrMaybeCreated) {
			t.Errorf("%d: a create that may have worked is called retryable", status)
		}
	}
}

func TestA401ThatSpeaksOfTheKeyIsTheKeys(t *testing.T) {
	t.Parallel()
	for detail, want := range map[string]string{
		"user_id is invalid": "user id", "X-User-ID   is invalid": "user id", "Invalid user-id": "user id",
		"api key does not belong to this user id": "unauthorized", "API_KEY invalid": "unauthorized", "": "unauthorized",
		"user is not authorized": "unauthorized",
	} {
		c, _ := answering(t, 401, fmt.Sprintf(`{"detail":%q}`, detail))
		_, err := c.User(t.Context(), user)
		wantSentinels(t, err, want)
	}
}

func TestErrorsMatchThroughEveryLayer(t *testing.T) {
	t.Parallel()
	cause := errors.New("broken wire")
	wire := transport.RoundTripFunc(func(*http.Request) (*http.Response, error) { return nil, fmt.Errorf("dial: %w", cause) })
	c := newClient(t, client.WithHTTPClient(&http.Client{Transport: wire}), client.WithRetry(client.Retry{}))
	_, err := c.User(t.Context(), user)
	wantSentinels(t, err, "unavailable")
	if !errors.Is(err, cause) || !client.Retryable(err) || err.Error()[:40] != "asleep: getUser: dial: broken wire (1 at" {
		t.Errorf("error %v", err)
	}
	_, err = c.CreateUser(t.Context(), nil)
	wantSentinels(t, err, "unavailable", "maybe created")
	if client.Retryable(err) {
		t.Error("a create that may have worked is called retryable")
	}
	for ours, theirs := range map[error]error{
		client.ErrMaybeCreated: transport.ErrMaybeCreated, client.ErrBodyTooLarge: transport.ErrBodyTooLarge,
		client.ErrAttemptTimeout: transport.ErrAttemptTimeout, client.ErrTruncated: transport.ErrTruncated,
	} {
		if !errors.Is(ours, theirs) {
			t.Errorf("%v is not the pipeline's own", ours)
		}
	}
	if client.Retryable(nil) || client.Retryable(io.EOF) || client.Retryable(context.Canceled) {
		t.Error("an error from elsewhere is called retryable")
	}
}

func TestARefusedCertificateIsNotRetryable(t *testing.T) {
	t.Parallel()
	wire := transport.RoundTripFunc(func(*http.Request) (*http.Response, error) {
		return nil, &tls.CertificateVerificationError{Err: errors.New("unknown authority")}
	})
	c := newClient(t, client.WithHTTPClient(&http.Client{Transport: wire}))
	_, err := c.User(t.Context(), user)
	wantSentinels(t, err, "unavailable")
	if e, _ := errors.AsType[*client.Error](err); client.Retryable(err) || e.Attempts != 1 {
		t.Errorf("%+v", e)
	}
}

func TestABodyOverTheLimitIsRefused(t *testing.T) {
	t.Parallel()
	body := `{"result":{"user_id":"u"}}`
	c, sent := answering(t, 200, body, client.WithMaxBody(int64(len(body)-1)))
	_, err := c.User(t.Context(), user)
	wantSentinels(t, err, "too large")
	if *sent != 1 || client.Retryable(err) || !strings.Contains(err.Error(), "200 response body over the limit of 25 bytes") {
		t.Errorf("%d requests, error %v", *sent, err)
	}
	c, _ = answering(t, 200, body, client.WithMaxBody(int64(len(body))))
	if _, err := c.User(t.Context(), user); err != nil {
		t.Error(err)
	}
}
