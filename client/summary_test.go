package client_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/transport"
)

// summarised runs Summary at midnight UTC of 2000-01-01, the first instant of a
// bubble, and returns the requests it made.
func summarised(t *testing.T, starts []string, opts ...client.CallOption) (s *client.Summary, asked []string) {
	t.Helper()
	items := make([]string, len(starts))
	for i, at := range starts {
		items[i] = fmt.Sprintf(`{"session_id":"s%d","state":"COMPLETE","session_start_time":%q}`, i, at)
	}
	list := `{"result":{"timezone":"UTC","sleep_session_list":[` + strings.Join(items, ",") + `]}}`
	stats := fixture(t, "average_stats_full.json")
	synctest.Test(t, func(t *testing.T) {
		wire := transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			asked = append(asked, req.URL.RequestURI()+" "+req.Header.Get("Timezone"))
			if strings.HasSuffix(req.URL.Path, "/average-stats") {
				return response(req, 200, stats), nil
			}
			return response(req, 200, list), nil
		})
		var err error
		if s, err = newClient(t, client.WithHTTPClient(&http.Client{Transport: wire})).Summary(t.Context(), "u1", opts...); err != nil {
			t.Fatal(err)
		}
	})
	return s, asked
}

func TestASummaryTakesTwoCalls(t *testing.T) {
	t.Parallel()
	s, asked := summarised(t, []string{
		"1999-12-31T23:00:00+00:00", "1999-12-31T13:00:00+00:00", "1999-12-03T00:00:00+00:00", "1999-12-02T23:59:59+00:00", "1999-01-01T00:00:00+00:00",
	})
	want := "[/data/v1/sessions?order_by=DESC&limit=100  /data/v1/users/u1/average-stats?start_date=1999-12-03&end_date=2000-01-01 ]"
	if fmt.Sprint(asked) != want {
		t.Errorf("asked for %s\nwant %s", asked, want)
	}
	if s.LastSession.SessionID != "s0" || s.SessionCount != 3 || s.MoreSessions || *s.Averages.Averages.TimeInBed != 26721 {
		t.Errorf("%+v", s)
	}
}

func TestThePeriodOfASummaryIsThatOfTheTimezone(t *testing.T) {
	t.Parallel()
	// In Seoul it is 09:00; in Honolulu still the day before.
	s, asked := summarised(t, []string{"2000-01-01T00:30:00+09:00", "1999-12-03T00:00:00+09:00", "1999-12-02T23:59:00+09:00"},
		client.InTimezone("Asia/Seoul"))
	if s.From != date("1999-12-03") || s.To != date("2000-01-01") || s.SessionCount != 2 || !strings.HasSuffix(asked[0], " Asia/Seoul") {
		t.Errorf("%+v %q", s, asked)
	}
	s, _ = summarised(t, nil, client.InTimezone("Pacific/Honolulu"))
	if s.From != date("1999-12-02") || s.To != date("1999-12-31") || s.LastSession != nil || s.SessionCount != 0 {
		t.Errorf("%+v", s)
	}
}

func TestASummarySaysWhenThereAreMoreSessionsThanItCounted(t *testing.T) {
	t.Parallel()
	starts := make([]string, 100)
	for i := range starts {
		starts[i] = "1999-12-31T10:00:00Z"
	}
	if s, _ := summarised(t, starts); s.SessionCount != 100 || !s.MoreSessions {
		t.Errorf("%d, more %v", s.SessionCount, s.MoreSessions)
	}
	starts[99] = "1999-11-01T10:00:00Z"
	if s, _ := summarised(t, starts); s.SessionCount != 99 || s.MoreSessions {
		t.Errorf("%d, more %v", s.SessionCount, s.MoreSessions)
	}
}

func TestAnOldLastSessionAndSessionsWithoutAStartAreTold(t *testing.T) {
	t.Parallel()
	s, _ := summarised(t, []string{"", "1999-05-01T00:00:00Z"})
	if s.LastSession.SessionID != "s0" || s.SessionCount != 0 {
		t.Errorf("%+v", s)
	}
}

func TestASummaryIsWholeOrAnError(t *testing.T) {
	t.Parallel()
	for _, failing := range []string{"/sessions", "/average-stats"} {
		wire := transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			if strings.HasSuffix(req.URL.Path, failing) {
				return response(req, 403, `{"detail":"Quota exceeded"}`), nil
			}
			return response(req, 200, fixture(t, "list_empty.json")), nil
		})
		s, err := newClient(t, client.WithHTTPClient(&http.Client{Transport: wire})).Summary(t.Context(), user)
		wantSentinels(t, err, "quota")
		if s != nil {
			t.Errorf("%s fails: %+v", failing, s)
		}
	}
}

func TestTheOverallTimeoutBoundsAllCallsOfASummary(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		wire := transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			select {
			case <-time.NewTimer(3 * time.Second).C:
				return response(req, 200, fixture(t, "list_empty.json")), nil
			case <-req.Context().Done():
				return nil, req.Context().Err()
			}
		})
		start := time.Now()
		c := newClient(t, client.WithHTTPClient(&http.Client{Transport: wire}))
		_, err := c.Summary(t.Context(), user, client.Timeout(5*time.Second))
		wantSentinels(t, err, "overall", "timeout")
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("took %v", took)
		}
		_, err = c.AverageStats(t.Context(), user, date("2026-01-01"), date("2026-12-31"), client.Timeout(5*time.Second))
		wantSentinels(t, err, "decode") // the list is no average
	})
}
