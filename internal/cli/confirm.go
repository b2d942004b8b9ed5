package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

// confirmation is what a command that destroys asks for: the flag --yes, or on a
// terminal a yes typed in.
type confirmation struct {
	app *app
	yes bool
}

func (c *confirmation) add(flags *pflag.FlagSet) {
	addBool(flags, &c.yes, "yes", "do not ask; needed where nobody can be asked")
}

// check notes as a problem that nobody can be asked and --yes is missing.
func (c *confirmation) check() {
	if !c.yes && !c.app.interactive() {
		c.app.problem("--yes", "is missing: nobody can be asked here, so give it to delete without a question")
	}
}

// errDeclined is what a no comes to.
var errDeclined = errors.New("nothing was deleted")

// ask asks whether to go on, unless --yes was given. Anything but a yes, the end
// of the input too, is a no.
func (c *confirmation) ask(ctx context.Context, question string) error {
	if c.yes {
		return nil
	}
	_, _ = fmt.Fprintf(c.app.Err, "%s [y/N] ", cell(question))
	answer := make(chan string, 1)
	go func() { // ends with the process if nothing is ever typed
		line, _ := bufio.NewReader(io.LimitReader(c.app.In, 1<<10)).ReadString('\n')
		answer <- line
	}()
	select {
	case <-ctx.Done():
		_, _ = fmt.Fprintln(c.app.Err)
		return context.Cause(ctx)
	case line := <-answer:
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return nil
		}
		return errDeclined
	}
}
