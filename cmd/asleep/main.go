// Command asleep fetches sleep sessions, manages users, and serves a fake of the
// Asleep service to try it all against. Run "asleep --help".
package main

import (
	"os"
	_ "time/tzdata" // timezones also where the machine has none

	"github.com/asleep-sdk/asleep/internal/cli"
)

func main() { os.Exit(cli.Main()) }
