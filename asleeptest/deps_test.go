package asleeptest_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A program that serves the fake links neither package testing nor httptest,
// which would add their flags to it.
func TestFakeDoesNotLinkTesting(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	deps := strings.Fields(string(out))
	for _, bad := range []string{"testing", "net/http/httptest", "flag"} {
		if slices.Contains(deps, bad) {
			t.Errorf("asleeptest imports %s", bad)
		}
	}
	if !slices.Contains(deps, "net/http") {
		t.Errorf("go list says %q", out)
	}
}
