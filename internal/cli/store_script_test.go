package cli_test

import (
	"bytes"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// infileCommand wants a text among the bytes of a file, or with neg none; a file
// that is not there has none. More files are searched together.
func infileCommand(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: [!] infile FILE TEXT [FILE…]")
	}
	found := false
	for _, name := range append(args[:1:1], args[2:]...) {
		b, err := os.ReadFile(ts.MkAbs(name))
		if !errors.Is(err, fs.ErrNotExist) {
			ts.Check(err)
		}
		found = found || bytes.Contains(b, []byte(args[1]))
	}
	if found == neg {
		ts.Fatalf("%q in %s: %v", args[1], args[0], found)
	}
}

// damageCommand overwrites the second half of a database.
func damageCommand(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	copy(b[len(b)/2:], bytes.Repeat([]byte{0xA5}, len(b)))
	ts.Check(os.WriteFile(path, b, 0o600))
}

// schemaCommand sets the version that a database says it has.
func schemaCommand(ts *testscript.TestScript, _ bool, args []string) {
	_, err := strconv.Atoi(args[1])
	ts.Check(err)
	statements(ts, args[0], "PRAGMA user_version = "+args[1])
}

// oldstoreCommand makes a store as the first version of the schema had it.
func oldstoreCommand(ts *testscript.TestScript, _ bool, args []string) {
	first, err := os.ReadFile("../../store/sqlite/migrations/0001_sessions.sql")
	ts.Check(err)
	statements(ts, args[0], "PRAGMA journal_mode = WAL", string(first), "PRAGMA user_version = 1", "PRAGMA application_id = 0x41534C50")
}

func statements(ts *testscript.TestScript, name string, list ...string) {
	db, err := sql.Open("sqlite", ts.MkAbs(name))
	ts.Check(err)
	for _, s := range list {
		_, err := db.Exec(s)
		ts.Check(err)
	}
	ts.Check(db.Close())
}
