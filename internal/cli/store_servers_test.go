//go:build unix

package cli_test

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/asleep-sdk/asleep/internal/dbtest"
)

// TestStoreOnPostgres runs the scripts that need a server: POSTGRES is the URL of
// an empty database.
func TestStoreOnPostgres(t *testing.T) {
	t.Parallel()
	c := dbtest.Postgres(t)
	p := scripts("testdata/script_postgres")
	p.Setup = func(env *testscript.Env) error {
		env.Setenv("POSTGRES", c.Database(t))
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
