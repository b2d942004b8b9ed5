//go:build unix

package cli_test

import (
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/asleep-sdk/asleep/internal/dbtest"
)

// TestStoreOnPostgres runs the scripts that need a server: POSTGRES is the URL of
// an empty database, POSTGRES_NOBODY the same with a user who is not there.
func TestStoreOnPostgres(t *testing.T) {
	t.Parallel()
	c := dbtest.Postgres(t)
	p := scripts("testdata/script_postgres")
	p.Setup = func(env *testscript.Env) error {
		url := c.Database(t)
		env.Setenv("POSTGRES", url)
		env.Setenv("POSTGRES_NOBODY", strings.Replace(url, "//test@", "//nobody:s3cret@", 1))
		return setupScript(env)
	}
	testscript.Run(t, p)
}

// TestStoreOnMongo runs those that need MongoDB: MONGO is the URL of an empty
// database.
func TestStoreOnMongo(t *testing.T) {
	t.Parallel()
	s := dbtest.Ferret(t)
	p := scripts("testdata/script_mongo")
	p.Setup = func(env *testscript.Env) error {
		env.Setenv("MONGO", "mongodb://"+s.Addr+"/asleep")
		return setupScript(env)
	}
	testscript.Run(t, p)
}
