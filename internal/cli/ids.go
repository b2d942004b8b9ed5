package cli

import (
	"unicode"

	"github.com/asleep-sdk/asleep/internal/config"
)

// checkID notes what is wrong with the id of a user or a session. The client
// refuses such ids as well; noted here they are told with all other problems.
func (a *app) checkID(subject, id string) {
	switch id {
	case "":
		a.problem(subject, "is missing: give an id")
	case ".", "..":
		a.problem(subject, "%q would change the URL: give the id that the service made", id)
	default:
		for _, r := range id {
			if unicode.IsControl(r) {
				a.problem(subject, "%s has a control character: give the id that the service made", config.Quote(id))
				return
			}
		}
	}
}

// argument returns the only argument of a command, an id. What is wrong with
// it, and every argument too many, is noted.
func (a *app) argument(name string, args []string) string {
	if len(args) == 0 {
		a.problem(name, "is missing: give an id")
		return ""
	}
	a.noArguments(args[1:])
	a.checkID(name, args[0])
	return args[0]
}

// noArguments notes every argument.
func (a *app) noArguments(args []string) {
	for _, extra := range args {
		a.problem("argument", "%s is one too many: remove it", config.Quote(extra))
	}
}
