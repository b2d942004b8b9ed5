package canary

import (
	"strings"
	"testing"
)

func TestASuiteFailsForALeakAndForCutWires(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		records int
		leaks   []Leak
		whole   bool
		code    int
		says    string
	}{
		"a clean run":                  {records: 3, whole: true},
		"a leak":                       {records: 3, leaks: []Leak{{"a log", "x " + Key}}, code: 1, says: "canary: a log tells a key or a user id: x [THE KEY]\n"},
		"nothing recorded":             {whole: true, code: 1, says: "nothing was recorded"},
		"nothing recorded by one test": {},
		"more leaks than are shown":    {records: 99, leaks: make([]Leak, 12), code: 1, says: "and 2 more"},
	} {
		var out strings.Builder
		if code := verdict(&out, c.records, c.leaks, c.whole); code != c.code || !strings.Contains(out.String(), c.says) || strings.Contains(out.String(), Key) {
			t.Errorf("%s: %d %q", name, code, out.String())
		}
	}
}
