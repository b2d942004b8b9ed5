package asleeptest_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/asleeptest"
)

// Every error answer that is known can be injected by the name of its fixture
// and says exactly what the fixture says.
func TestKindsAreTheErrorFixtures(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir("../testdata/fixtures")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range files {
		name, ok := strings.CutPrefix(file.Name(), "error_")
		if !ok {
			continue
		}
		n++
		name, ext, _ := strings.Cut(name, ".")
		f, err := asleeptest.Kind(name)
		if err != nil {
			t.Error(err)
			continue
		}
		want := fixture(t, file.Name())
		s := asleeptest.New(asleeptest.Config{Users: 1})
		s.Inject(f)
		r := get(t, s, "/ai/v1/users/user-0001")
		if name[:3] != strconv.Itoa(r.status) {
			t.Errorf("%s is answered with %d", name, r.status)
		}
		if ext == "json" && !sameJSON(t, r.body, want) || ext != "json" && r.body != want {
			t.Errorf("%s: %q, want %q", name, r.body, want)
		}
		if kind := r.header.Get("Content-Type"); ext == "html" && kind != "text/html" || ext == "json" && kind != "application/json" {
			t.Errorf("%s has content type %q", name, kind)
		}
	}
	if n < 25 {
		t.Errorf("%d error fixtures: where are the others?", n)
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	return reflect.DeepEqual(decodeAny(t, a), decodeAny(t, b))
}

func decodeAny(t *testing.T, s string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		t.Fatalf("%v in %.200s", err, s)
	}
	return v
}

// shape lists the members of objects, and for those that are not null the
// kind of their value. Of arrays it looks at the first element.
func shape(into map[string]string, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if _, known := into[path+"."+name]; !known || member != nil {
				into[path+"."+name] = ""
			}
			shape(into, path+"."+name, member)
		}
	case []any:
		into[path] = "array"
		if len(v) > 0 {
			shape(into, path+"[]", v[0])
		}
	case nil:
	default:
		into[path] = reflect.TypeOf(v).String()
	}
}

func compareShapes(t *testing.T, what, got, want string) {
	t.Helper()
	a, b := map[string]string{}, map[string]string{}
	shape(a, "", decodeAny(t, got))
	shape(b, "", decodeAny(t, want))
	for _, name := range slices.Sorted(maps.Keys(b)) {
		if have, ok := a[name]; !ok {
			t.Errorf("%s lacks %s of the fixture", what, name)
		} else if have != b[name] {
			t.Errorf("%s: %s is %q, in the fixture %q", what, name, have, b[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if _, ok := b[name]; !ok {
			t.Errorf("%s has %s, which the fixture lacks", what, name)
		}
	}
}

// add adds a session and gives its report's body.
func add(t *testing.T, s *asleeptest.Server, session asleeptest.Session) (id, body string) {
	t.Helper()
	id, err := s.AddSession("user-0001", session)
	if err != nil {
		t.Fatal(err)
	}
	return id, get(t, s, "/data/v3/sessions/"+id, "x-user-id: user-0001").body
}

// Bodies have the members of the fixtures, no more and no less, with the same
// nulls.
func TestBodiesHaveTheShapeOfTheFixtures(t *testing.T) {
	t.Parallel()
	for file, session := range map[string]asleeptest.Session{
		"session_complete_v3_sdk_shape.json":   {},
		"session_complete_no_breathing.json":   {Plan: asleeptest.PlanNoBreathing},
		"session_complete_two_stage_plan.json": {Plan: asleeptest.PlanTwoStage},
		"session_closed_analyzing.json":        {State: asleep.SessionStateClosed},
		"session_in_progress.json":             {State: asleep.SessionStateOpen, Plan: asleeptest.PlanNoBreathing},
		"session_no_realtime_polling.json":     {State: asleep.SessionStateOpen, NoRealtimePolling: true},
		"session_never_slept.json":             {Kind: asleeptest.NeverSlept, Plan: asleeptest.PlanNoBreathing},
		"session_never_slept_stat_null.json":   {Kind: asleeptest.NeverSleptNull},
		"session_too_short.json":               {Kind: asleeptest.TooShort},
		"session_too_many_defects.json":        {Kind: asleeptest.Defects, Plan: asleeptest.PlanNoBreathing},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			s := asleeptest.New(asleeptest.Config{Users: 1, Ordinary: true})
			_, body := add(t, s, session)
			want := fixture(t, file)
			compareShapes(t, "report", body, want)
			got, wanted := decodeAny(t, body).(map[string]any)["result"].(map[string]any), decodeAny(t, want).(map[string]any)["result"].(map[string]any)
			if !reflect.DeepEqual(got["peculiarities"], wanted["peculiarities"]) {
				t.Errorf("peculiarities %v, in the fixture %v", got["peculiarities"], wanted["peculiarities"])
			}
		})
	}
}

func TestOtherBodiesHaveTheShapeOfTheFixtures(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 1, SessionsPerUser: 30, Ordinary: true, LastNight: lastNight})
	s.AddUser(asleeptest.User{ID: "user-0001", Plan: asleeptest.PlanNoBreathing, Metadata: metadataOf(t, "user_create_request.json")})
	s.AddUser(asleeptest.User{ID: "new"})
	compareShapes(t, "new user", get(t, s, "/ai/v1/users/new").body, fixture(t, "user_get_new_user.json"))
	compareShapes(t, "empty list", get(t, s, "/data/v1/sessions", "x-user-id: new").body, fixture(t, "list_empty.json"))

	for day := range 20 {
		add(t, s, asleeptest.Session{Start: lastNight.AddDays(-day).In(mustZone(t, "UTC"))})
	}
	compareShapes(t, "list", get(t, s, "/data/v1/sessions", "x-user-id: user-0001").body, fixture(t, "list_page_full.json"))
	compareShapes(t, "user", get(t, s, "/ai/v1/users/user-0001").body, fixture(t, "user_get.json"))

	add(t, s, asleeptest.Session{Start: lastNight.AddDays(-3).In(mustZone(t, "UTC")), Kind: asleeptest.NeverSlept})
	const averages = "/data/v1/users/user-0001/average-stats?"
	compareShapes(t, "averages", get(t, s, averages+"start_date=2026-03-08&end_date=2026-03-14").body, fixture(t, "average_stats_full.json"))
	compareShapes(t, "no averages", get(t, s, averages+"start_date=2025-01-01&end_date=2025-01-31").body, fixture(t, "average_stats_empty.json"))

	created := call(t, s.Transport(), http.MethodPost, "/ai/v1/users", fixture(t, "user_create_request.json"), "content-type: application/json")
	if created.status != http.StatusCreated {
		t.Errorf("createUser is answered %d %s", created.status, created.body)
	}
	compareShapes(t, "created user", created.body, fixture(t, "user_create.json"))
	noViolations(t, s)
}

func metadataOf(t *testing.T, file string) *asleep.UserMetadata {
	t.Helper()
	var request asleep.CreateUserRequest
	if err := json.Unmarshal([]byte(fixture(t, file)), &request); err != nil {
		t.Fatal(err)
	}
	return request.Metadata
}

// Any response fixture can be served in the place of a real one.
func TestAnyBodyCanBeServed(t *testing.T) {
	t.Parallel()
	want := fixture(t, "session_unknown_future_fields.json")
	s := asleeptest.New(asleeptest.Config{Users: 1, SessionsPerUser: 1})
	s.Inject(asleeptest.Fault{Op: asleeptest.GetSession, Status: http.StatusOK, Body: want})
	if got := get(t, s, "/data/v3/sessions/any", "x-user-id: user-0001"); got.body != want || got.status != http.StatusOK {
		t.Errorf("%d %.80s", got.status, got.body)
	}
}
