// Command scan reads what the tests printed and fails if it tells the canaries' key
// or user; `make test` runs it.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/asleep-sdk/asleep/internal/canary"
)

func main() { os.Exit(scan()) }

func scan() int {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	code := 0
	for lines.Scan() {
		if line := lines.Text(); strings.Contains(line, canary.Key) || strings.Contains(line, canary.User) {
			fmt.Fprintln(os.Stderr, "canary: the tests printed a key or a user id:", canary.Mask(line))
			code = 1
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, "canary: the tests' output cannot be read:", err)
		return 1
	}
	return code
}
