package cli_test

import (
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

func clearCommand(ts *testscript.TestScript, _ bool, _ []string) { fakeOf(ts).ClearFaults() }

func mkbadCommand(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: mkbad DOS BAD")
	}
	dos := "\ufeffuser-0001\r\n\r\n  # comment\r\n\tuser-0002  \r\n"
	bad := "user-0001\n" + strings.Repeat("x", 1_000_000) + "\na\xffb\na\x01b\nuser-0002\n"
	for i, text := range []string{dos, bad} {
		ts.Check(os.WriteFile(ts.MkAbs(args[i]), []byte(text), 0o600))
	}
}

func tearCommand(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_APPEND|os.O_WRONLY, 0)
	ts.Check(err)
	_, err = f.WriteString(`{"user_id":"user-0003","session_`)
	ts.Check(err)
	ts.Check(f.Close())
}
