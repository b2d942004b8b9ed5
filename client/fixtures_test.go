package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/canary"
)

// decoded is what a good answer must come to: the raw result, as it was kept.
type decoded struct {
	call func(context.Context, *client.Client) (raw string, err error)
}

var byPrefix = map[string]decoded{
	"session_": {func(ctx context.Context, c *client.Client) (string, error) {
		r, err := c.Session(ctx, user, session)
		if err != nil {
			return "", err
		}
		return r.Raw, nil
	}},
	"user_get": {func(ctx context.Context, c *client.Client) (string, error) {
		u, err := c.User(ctx, user)
		if err != nil {
			return "", err
		}
		return u.Raw, nil
	}},
	"average_stats_": {func(ctx context.Context, c *client.Client) (string, error) {
		a, err := c.AverageStats(ctx, user, date("2026-03-01"), date("2026-03-31"))
		if err != nil {
			return "", err
		}
		return a.Raw, nil
	}},
	"list_": {func(ctx context.Context, c *client.Client) (string, error) {
		page, err := c.ListSessions(ctx, user, client.PageQuery{})
		if err != nil {
			return "", err
		}
		items := make([]string, len(page.Sessions))
		for i, s := range page.Sessions {
			items[i] = s.Raw
		}
		return `{"timezone":"` + page.Timezone + `","sleep_session_list":[` + strings.Join(items, ",") + `]}`, nil
	}},
	"user_create.json": {func(ctx context.Context, c *client.Client) (string, error) {
		id, err := c.CreateUser(ctx, nil)
		return `{"user_id":"` + id + `"}`, err
	}},
}

func TestEveryFixtureOfAnAnswerIsServedAndKept(t *testing.T) {
	t.Parallel()
	for prefix, want := range byPrefix {
		names, err := filepath.Glob(filepath.Join("..", "testdata", "fixtures", prefix+"*"))
		if err != nil || len(names) == 0 {
			t.Fatalf("no fixtures %s: %v", prefix, err)
		}
		for _, path := range names {
			name := filepath.Base(path)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				body := fixture(t, name)
				c, _ := answering(t, 200, body)
				raw, err := want.call(t.Context(), c)
				if err != nil {
					t.Fatal(err)
				}
				var envelope struct{ Result json.RawMessage }
				if err := json.Unmarshal([]byte(body), &envelope); err != nil {
					t.Fatal(err)
				}
				if got, want := canonical(t, raw), canonical(t, string(envelope.Result)); got != want {
					t.Errorf("kept %s\nwant %s", got, want)
				}
			})
		}
	}
}

func canonical(t *testing.T, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// sentinels are all that an error can come to.
var sentinels = map[string]error{
	"invalid": client.ErrInvalid, "unauthorized": client.ErrUnauthorized, "user id": client.ErrUserIDInvalid,
	"forbidden": client.ErrForbidden, "plan": client.ErrPlanExpired, "quota": client.ErrQuotaExceeded,
	"rate limit": client.ErrRateLimited, "not found": client.ErrNotFound, "conflict": client.ErrConflict,
	"unavailable": client.ErrUnavailable, "redirected": client.ErrRedirected, "decode": client.ErrDecode,
	"timeout": client.ErrTimeout, "overall": client.ErrOverallTimeout, "attempt": client.ErrAttemptTimeout,
	"too large": client.ErrBodyTooLarge, "truncated": client.ErrTruncated, "maybe created": client.ErrMaybeCreated,
}

// wantSentinels fails unless err matches exactly those named.
func wantSentinels(t *testing.T, err error, want ...string) {
	t.Helper()
	canary.Record("a client's error", printed(err))
	for _, name := range slices.Sorted(maps.Keys(sentinels)) {
		if got, want := errors.Is(err, sentinels[name]), slices.Contains(want, name); got != want {
			t.Errorf("errors.Is(err, %s) is %v, want %v: %v", name, got, want, err)
		}
	}
}

// errorFixtures says what each failure of the service comes to, and its text.
var errorFixtures = map[string]struct{ sentinel, text string }{
	"error_400_invalid_timezone.json":          {"invalid", ""},
	"error_400_invalid_timezone_skill.json":    {"invalid", ""},
	"error_400_invalid_user_id_format.json":    {"invalid", ""},
	"error_400_invalid_session_id_format.json": {"invalid", ""},
	"error_400_period_too_long.json":           {"invalid", "400 The period should be less than or equal to 100 days"},
	"error_401_unauthorized.json":              {"unauthorized", "401 Unauthorized: the API key is refused"},
	"error_401_x_user_id_invalid.json":         {"user id", "401 x-user-id is invalid"},
	"error_401_user_id_invalid.json":           {"user id", "401 user_id is invalid"},
	"error_401_invalid_user_id_legacy.json":    {"user id", "401 invalid user id"},
	"error_403_plan_expired.json":              {"plan", ""},
	"error_403_rate_limit.json":                {"rate limit", ""},
	"error_403_quota_exceeded.json":            {"quota", ""},
	"error_403_token_invalid.json":             {"forbidden", ""},
	"error_403_gateway_message.json":           {"forbidden", "403 Forbidden"},
	"error_404_user.json":                      {"not found", "404 user does not exist"},
	"error_404_user_legacy.json":               {"not found", ""},
	"error_404_user_delete_legacy.json":        {"not found", ""},
	"error_404_session.json":                   {"not found", ""},
	"error_404_session_skill.json":             {"not found", ""},
	"error_404_average_stats_user.json":        {"not found", ""},
	"error_409_previous_session_open.json":     {"conflict", ""},
	"error_422_validation_list.json":           {"invalid", "422 query.limit: ensure this value is less than or equal to 100"},
	"error_422_string.json":                    {"invalid", ""},
	"error_429_gateway_message.json":           {"rate limit", ""},
	"error_500.json":                           {"unavailable", ""},
	"error_502.html":                           {"unavailable", "502 service unavailable"},
	"error_503_empty.txt":                      {"unavailable", "503 service unavailable"},
	"error_200_detail_without_result.json":     {"decode", `200 the body has no "result"`},
	"error_200_result_null.json":               {"decode", `200 "result" is null`},
}

func TestEveryErrorFixtureComesToItsSentinel(t *testing.T) {
	t.Parallel()
	var manifest map[string]struct {
		Status    int   `json:"status"`
		Retryable *bool `json:"retryable"`
	}
	b, err := os.ReadFile(filepath.Join("..", "testdata", "fixtures", "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &manifest); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join("..", "testdata", "fixtures", "error_*"))
	if err != nil || len(names) != len(errorFixtures) {
		t.Errorf("%d fixtures, %d in the table: %v", len(names), len(errorFixtures), err)
	}
	for _, path := range names {
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, known := errorFixtures[name]
			if !known {
				t.Fatal("not in the table")
			}
			status := manifest[name].Status
			c, _ := answering(t, status, fixture(t, name))
			_, err := c.User(t.Context(), user)
			wantSentinels(t, err, want.sentinel)
			if e, ok := errors.AsType[*client.Error](err); !ok || e.StatusCode != status || e.Op != "getUser" || e.Attempts != 1 {
				t.Errorf("error %#v", e)
			}
			if !strings.HasPrefix(err.Error(), "asleep: getUser: "+want.text) {
				t.Errorf("reads %q", err)
			}
			if r := manifest[name].Retryable; r != nil && client.Retryable(err) != *r {
				t.Errorf("Retryable is %v, want %v", client.Retryable(err), *r)
			}
		})
	}
}
