package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/asleep-sdk/asleep/store"
)

func newStoreCheckCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Verify that the store is whole and readable",
		Long: `Verify that the store is whole: the structure of the database, and then every
session, which is decrypted and read. It reads everything and changes nothing.

Exit codes: 0 whole, 1 damaged, 2 not there, of another version, or encrypted
with keys that ENCRYPTION_KEYS does not have.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.noArguments(args)
			return a.checkStore(cmd.Context())
		},
		Args: cobra.ArbitraryArgs,
	}
}

func (a *app) checkStore(ctx context.Context) error {
	d := a.lastingDatabase()
	if err := a.refusal(); err != nil {
		return err
	}
	reports, items := int64(0), int64(0)
	err := d.withStore(ctx, readStore, func(s store.Store) error {
		if c, ok := s.(store.Checker); ok {
			if err := c.Check(ctx); err != nil {
				return err
			}
		}
		for session, err := range store.All(ctx, s.Sessions(), store.Query{}) {
			if err != nil {
				return err
			}
			if _, err := storedReport(session); err != nil {
				return fmt.Errorf("%w: session %q: %w", store.ErrCorrupt, session.ID, err)
			}
			if session.Form == store.FormReport {
				reports++
			} else {
				items++
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	a.note(ctx, fmt.Sprintf("the database %s is whole: %s, %s", d.Shown, count(reports, "report"), count(items, "list item")),
		"reports", reports, "list_items", items)
	return nil
}
