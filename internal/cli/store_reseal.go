package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/asleep-sdk/asleep/store"
)

func newStoreResealCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "reseal",
		Short: "Encrypt the store anew with the first of the keys",
		Long: `Encrypt every payload that is not yet encrypted with the first of ENCRYPTION_KEYS.
It works in small steps and can be interrupted and begun again.

To rotate a key: put the new one in front of the old one everywhere, run this,
then drop the old one. To begin with encryption: set ENCRYPTION_KEYS, run this.
Backups keep the keys that they were made with.`,
		Example: `  export ENCRYPTION_KEYS="$(openssl rand -base64 32),$ENCRYPTION_KEYS"
  asleep store reseal`,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.noArguments(args)
			return a.resealStore(cmd.Context())
		},
		Args: cobra.ArbitraryArgs,
	}
}

func (a *app) resealStore(ctx context.Context) error {
	d := a.lastingDatabase()
	if v, set := a.reader.Find("ENCRYPTION_KEYS", "ENCRYPTION_KEYS_FILE"); !set {
		a.problem(v.Label, "is not set: give the key to encrypt with, and behind it those that were used before")
	}
	if err := a.refusal(); err != nil {
		return err
	}
	if err := d.whereThere(ctx); err != nil {
		return err
	}
	payloads := 0
	err := d.withStore(ctx, writeStore, func(s store.Store) (err error) {
		r, ok := s.(store.Resealer)
		if !ok {
			return usageError(errors.New("a database of this kind is not encrypted by this program"))
		}
		payloads, err = r.Reseal(ctx)
		return err
	})
	if err != nil {
		return err
	}
	a.note(ctx, count(int64(payloads), "payload")+" encrypted anew with the first key", "payloads", payloads)
	return nil
}
