package asleeptest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/asleeptest"
)

// Each request outside the contract is answered with the status and a detail
// that names what is wrong, and is listed as a violation.
func TestViolations(t *testing.T) {
	t.Parallel()
	const (
		user    = "x-user-id: user-0001"
		session = "/data/v3/sessions/20260314135107_k7q2m"
		page    = "/data/v1/sessions"
		jsonIn  = "content-type: application/json"
	)
	for name, c := range map[string]struct {
		method, path, body string
		headers            []string
		status             int
		want               string
	}{
		"unknown path":               {http.MethodGet, "/data/v2/sessions", "", nil, 404, "no operation has this path"},
		"health":                     {http.MethodGet, "/health", "", nil, 404, "no operation has this path"},
		"dots in a path":             {http.MethodDelete, "/ai/v1/users/..", "", nil, 404, "no operation"},
		"trailing slash":             {http.MethodGet, "/ai/v1/users/", "", nil, 404, "no operation"},
		"another method":             {http.MethodPut, "/ai/v1/users/user-0001", "", nil, 405, "PUT is not allowed"},
		"head":                       {http.MethodHead, page, "", []string{user}, 405, "HEAD"},
		"unknown parameter":          {http.MethodGet, page + "?page=2", "", []string{user}, 400, `"page" does not belong to listSessions`},
		"parameter without a query":  {http.MethodGet, "/ai/v1/users/user-0001?x=1", "", nil, 400, `"x" does not belong to getUser`},
		"parameter twice":            {http.MethodGet, page + "?limit=1&limit=2", "", []string{user}, 400, `"limit" comes 2 times`},
		"empty parameter":            {http.MethodGet, page + "?limit=", "", []string{user}, 400, `"limit" is empty`},
		"query that is none":         {http.MethodGet, page + "?limit=1;offset=2", "", []string{user}, 400, "cannot be parsed"},
		"no user":                    {http.MethodGet, session, "", nil, 400, "x-user-id is missing"},
		"empty user":                 {http.MethodGet, session, "", []string{"x-user-id: "}, 400, "x-user-id is missing or empty"},
		"user where none belongs":    {http.MethodGet, "/ai/v1/users/user-0001", "", []string{user}, 400, "x-user-id does not belong to getUser"},
		"user of averages":           {http.MethodGet, "/data/v1/users/user-0001/average-stats?start_date=2026-01-01&end_date=2026-01-02", "", []string{user}, 400, "x-user-id"},
		"zone where none belongs":    {http.MethodDelete, "/ai/v1/sessions/x", "", []string{user, "timezone: UTC"}, 400, "timezone does not belong to deleteSession"},
		"empty zone":                 {http.MethodGet, session, "", []string{user, "timezone: "}, 400, "timezone is empty"},
		"body of a get":              {http.MethodGet, session, "{}", []string{user, jsonIn}, 400, "getSession has no body"},
		"content type without body":  {http.MethodGet, session, "", []string{user, jsonIn}, 400, "content-type without a body"},
		"other content type":         {http.MethodPost, "/ai/v1/users", "{}", []string{"content-type: text/plain"}, 415, `"text/plain"`},
		"no content type":            {http.MethodPost, "/ai/v1/users", "{}", nil, 415, "application/json"},
		"body of 2 MiB":              {http.MethodPost, "/ai/v1/users", strings.Repeat(" ", 2<<20), []string{jsonIn}, 413, "larger than"},
		"html only":                  {http.MethodGet, session, "", []string{user, "accept: text/html"}, 406, "text/html"},
		"other credentials":          {http.MethodGet, session, "", []string{user, "authorization: Bearer x"}, 400, "authorization is not part"},
		"idempotency key":            {http.MethodPost, "/ai/v1/users", "", []string{"idempotency-key: x"}, 400, "idempotency-key is not part"},
		"limit over 100":             {http.MethodGet, page + "?limit=101", "", []string{user}, 422, "less than or equal to 100"},
		"negative limit":             {http.MethodGet, page + "?limit=-1", "", []string{user}, 422, "greater than or equal to 0"},
		"negative offset":            {http.MethodGet, page + "?offset=-1", "", []string{user}, 422, `"offset"`},
		"limit that is no number":    {http.MethodGet, page + "?limit=ten", "", []string{user}, 422, "valid integer"},
		"order that is none":         {http.MethodGet, page + "?order_by=asc", "", []string{user}, 422, "permitted: ASC, DESC"},
		"date that is none":          {http.MethodGet, page + "?date_gte=2026-02-30", "", []string{user}, 422, "valid date"},
		"averages without dates":     {http.MethodGet, "/data/v1/users/user-0001/average-stats", "", nil, 422, "field required"},
		"metadata that nobody knows": {http.MethodPost, "/ai/v1/users", `{"age":3}`, []string{jsonIn}, 422, "age"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := asleeptest.New(asleeptest.Config{Users: 1, SessionsPerUser: 1})
			r := call(t, s.Transport(), c.method, c.path, c.body, c.headers...)
			if r.status != c.status || !strings.Contains(r.body+" "+quoted(r.body), c.want) {
				t.Errorf("answered %d %s, want %d with %s", r.status, r.body, c.status, c.want)
			}
			v := s.Violations()
			if len(v) == 0 || v[0].Status != c.status || v[0].Problem == "" || s.Stats().Violations != len(v) {
				t.Errorf("violations %v", v)
			}
		})
	}
}

// quoted takes JSON's escapes out of a body, so that a test can name what is
// in quotes.
func quoted(body string) string { return strings.ReplaceAll(body, `\"`, `"`) }

func TestDuplicateHeadersAreViolations(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"x-api-key", "x-user-id", "timezone"} {
		s := asleeptest.New(asleeptest.Config{Users: 1, SessionsPerUser: 1})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://fake/data/v1/sessions", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"X-Api-Key": {"k"}, "X-User-Id": {"user-0001"}, "Timezone": {"UTC"}}
		req.Header.Add(name, "other")
		if r := do(s.Transport(), req); r.status != http.StatusBadRequest || len(s.Violations()) != 1 {
			t.Errorf("%s twice: %d %s, violations %v", name, r.status, r.body, s.Violations())
		}
	}
}

// What the contract has an answer for is no violation.
func TestDocumentedErrorsAreNoViolations(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 1, SessionsPerUser: 1, APIKeys: []string{"key", "next"}})
	const good = "20260314135107_k7q2m"
	for _, c := range []struct {
		method, path, user string
		status             int
		detail             string
	}{
		{http.MethodGet, "/data/v3/sessions/" + good, "user-0001", 404, "session does not exist"},
		{http.MethodGet, "/data/v3/sessions/20260314135107", "user-0001", 404, "session does not exist"},
		{http.MethodGet, "/data/v3/sessions/" + good, "nobody", 404, "session does not exist"},
		{http.MethodGet, "/data/v3/sessions/abc", "user-0001", 400, "The format of sleep session id (abc) is invalid"},
		{http.MethodGet, "/data/v3/sessions/" + good, "no body", 400, "The format of x-user-id is invalid"},
		{http.MethodGet, "/data/v1/sessions", "no body", 400, "The format of x-user-id is invalid"},
		{http.MethodGet, "/data/v1/sessions", "nobody", 200, "OK"},
		{http.MethodDelete, "/ai/v1/sessions/" + good, "user-0001", 404, "session does not exist"},
		{http.MethodDelete, "/ai/v1/sessions/" + good, "no body", 401, "x-user-id is invalid"},
		{http.MethodDelete, "/ai/v1/sessions", "nobody", 404, "user does not exist"},
		{http.MethodDelete, "/ai/v1/sessions", "no body", 401, "x-user-id is invalid"},
		{http.MethodGet, "/ai/v1/users/nobody", "", 404, "user does not exist"},
		{http.MethodDelete, "/ai/v1/users/nobody", "", 404, "user does not exist"},
		{http.MethodDelete, "/ai/v1/users/no%20body", "", 401, "user_id is invalid"},
	} {
		var headers []string
		if c.user != "" {
			headers = append(headers, "x-user-id: "+c.user)
		}
		if r := call(t, s.Transport(), c.method, c.path, "", headers...); r.status != c.status || r.detail(t) != c.detail {
			t.Errorf("%s %s of %q: %d %s, want %d %s", c.method, c.path, c.user, r.status, r.body, c.status, c.detail)
		}
	}
	for _, zone := range []string{"Mars/Olympus", "Local", "../etc/passwd", "asia seoul"} {
		r := get(t, s, "/data/v1/sessions", "x-user-id: user-0001", "timezone: "+zone)
		if r.status != http.StatusBadRequest || r.detail(t) != "The invalid timezone is provided" {
			t.Errorf("zone %s: %d %s", zone, r.status, r.body)
		}
	}
	for key, want := range map[string]int{"key": 200, "next": 200, "other": 401} {
		r := get(t, s, "/ai/v1/users/user-0001", "x-api-key: "+key)
		if r.status != want || want == 401 && r.detail(t) != "Unauthorized" {
			t.Errorf("key %s: %d %s", key, r.status, r.body)
		}
	}
	noViolations(t, s)
}

func TestMissingKeyIsAViolationAndUnauthorized(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 1})
	if r := get(t, s, "/ai/v1/users/user-0001", "x-api-key: "); r.status != 401 || r.detail(t) != "Unauthorized" || len(s.Violations()) != 1 {
		t.Errorf("%d %s, violations %v", r.status, r.body, s.Violations())
	}
}

// recorder is a TB that keeps what it is told.
type recorder struct {
	testing.TB

	errors  []string
	cleanup []func()
}

func (r *recorder) Helper()                        {}
func (r *recorder) Cleanup(f func())               { r.cleanup = append(r.cleanup, f) }
func (r *recorder) Errorf(format string, _ ...any) { r.errors = append(r.errors, format) }
func (r *recorder) Fatalf(format string, a ...any) { r.TB.Fatalf(format, a...) }

func TestNewServerFailsTheTestOnViolations(t *testing.T) {
	t.Parallel()
	for _, allow := range []bool{false, true} {
		tb := &recorder{TB: t}
		s := asleeptest.NewServer(tb, asleeptest.Config{AllowViolations: allow})
		if r := call(t, s.Transport(), http.MethodGet, "/nowhere", ""); r.status != http.StatusNotFound {
			t.Errorf("answered %d", r.status)
		}
		for _, f := range tb.cleanup {
			f()
		}
		if failed := len(tb.errors) > 0; failed == allow {
			t.Errorf("allowed %v, failed %v", allow, tb.errors)
		}
		if _, err := http.DefaultTransport.RoundTrip(request(t, s.URL+"/ai/v1/users/x")); err == nil {
			t.Error("the server still listens after the test")
		}
	}
}

func request(t *testing.T, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("x-api-key", "key")
	return req
}

func TestConfigReportsAllProblems(t *testing.T) {
	t.Parallel()
	bad := asleeptest.Config{
		Users: -1, SessionsPerUser: -2, Zones: []string{"Mars/Olympus"}, AnalysisTime: -1, RateLimit: asleeptest.RateLimit{Rate: -1},
	}
	err := bad.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"Users is -1", "SessionsPerUser is -2", "Mars/Olympus", "AnalysisTime", "rate limit of rate -1"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if r := get(t, asleeptest.New(bad), "/ai/v1/users/user-0001"); r.status != http.StatusNotFound {
		t.Errorf("answered %d", r.status)
	}
	if err := (asleeptest.Config{Users: 3}).Validate(); err != nil {
		t.Error(err)
	}
}
