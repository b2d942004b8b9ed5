package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/asleep-sdk/asleep/store"
)

func newStoreMigrateCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Make the store, or bring its schema up to date",
		Long: `Make the store if it is not there, or bring its schema up to the version of this
program. Commands that write do so by themselves; this is for doing it on its own,
and for databases that are only read. Back up before.

A database that a newer program has changed is refused and not touched: exit
code 2.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.noArguments(args)
			return a.migrateStore(cmd.Context())
		},
		Args: cobra.ArbitraryArgs,
	}
}

func (a *app) migrateStore(ctx context.Context) error {
	d := a.lastingDatabase()
	if err := a.refusal(); err != nil {
		return err
	}
	before, made, err := d.schema(ctx)
	if err != nil {
		return err
	}
	if err := d.withStore(ctx, writeStore, func(store.Store) error { return nil }); err != nil {
		return err
	}
	after, _, err := d.schema(ctx)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("the database %s was brought from version %d of the schema to %d", d.Shown, before, after)
	switch {
	case made:
		text = fmt.Sprintf("the database %s was made, with version %d of the schema", d.Shown, after)
	case before == after:
		text = fmt.Sprintf("the database %s has version %d of the schema, the newest that this program knows", d.Shown, after)
	}
	a.note(ctx, text, "from", before, "to", after)
	return nil
}

// schema is the version of the database's schema, 0 for a kind without any; missing
// tells that there is none yet, or an empty file.
func (d *database) schema(ctx context.Context) (version int, missing bool, err error) {
	if d.backend.Schema == nil {
		return 0, false, nil
	}
	version, _, err = d.backend.Schema(ctx, d.url)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, true, nil
	}
	return version, version == 0, d.fail(err)
}
