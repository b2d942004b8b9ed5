package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/asleep-sdk/asleep/store"
)

const storeLong = `Look after the store: the database of DATABASE_URL, in which "asleep fetch
--store" keeps sessions (default sqlite:./asleep.db). Nothing is sent to the
service, and no API key is needed.

All of it works while other processes use the database.`

func newStoreCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "store",
		Short:   "Back up, check, copy, migrate and clean the store",
		Long:    storeLong,
		GroupID: "data",
		RunE:    a.needSubcommand,
		Args:    cobra.ArbitraryArgs,
	}
	cmd.AddCommand(
		newStoreBackupCommand(a),
		newStoreCheckCommand(a),
		newStoreCopyCommand(a),
		newStoreMigrateCommand(a),
		newStoreResealCommand(a),
		newStoreEraseCommand(a),
		newStoreExpireCommand(a),
	)
	return cmd
}

// withStore opens the store for some work and closes it. Errors of the work are
// errors of the store.
func (d *database) withStore(ctx context.Context, access storeAccess, work func(store.Store) error) error {
	s, err := d.open(ctx, access)
	if err != nil {
		return err
	}
	return errors.Join(d.fail(work(s)), d.fail(s.Close()))
}

// whereThere is an error unless the database is there already: a mistyped DATABASE_URL is not to make a new one.
func (d *database) whereThere(ctx context.Context) error {
	if d.backend.Schema == nil {
		return nil
	}
	_, _, err := d.backend.Schema(ctx, d.url)
	return d.fail(err)
}
