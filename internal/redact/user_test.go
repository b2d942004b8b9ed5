package redact_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/internal/redact"
)

func TestAUserIsADigestWhereverItIsPrinted(t *testing.T) {
	t.Parallel()
	u := redact.User("user-0001")
	var b strings.Builder
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "user", u)
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "user", u)
	encoded, err := json.Marshal(u)
	if err != nil {
		t.Fatal(err)
	}
	shown := b.String() + string(encoded) + fmt.Sprintf("%v %s", u, u)
	if strings.Contains(shown, "user-0001") || strings.Count(shown, u.String()) != 5 {
		t.Errorf("printed: %s", shown)
	}
}

func TestDigestsTellUsersApartAndStayTheSame(t *testing.T) {
	t.Parallel()
	if got := redact.User("user-0001").String(); got != redact.User("user-0001").String() || got == redact.User("user-0002").String() || len(got) != len("user:")+12 {
		t.Errorf("%s", got)
	}
	if got := redact.User("").String(); got != "user:none" {
		t.Errorf("%s", got)
	}
}
