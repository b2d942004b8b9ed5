package transport_test

import (
	"os"
	"testing"

	"github.com/asleep-sdk/asleep/internal/canary"
)

// TestMain looks at every log, error and dump of the run.
func TestMain(m *testing.M) { os.Exit(canary.Suite{M: m}.Run()) }
