package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/asleep-sdk/asleep/server"
)

// change is something that can be done to dead events.
type change struct {
	name, short, long, did string
	asks                   bool // there is no way back
	do                     func(desk, context.Context, server.Choice) (int, error)
}

var (
	replayEvents = change{
		name: "replay", short: "Work dead events once more", did: "ready to be worked again",
		long: `Work dead events once more, from the step that failed on: what is done stays
done. Their history is kept.`,
		do: desk.Replay,
	}
	purgeEvents = change{
		name: "purge", short: "Remove dead events for good", did: "purged", asks: true,
		long: `Remove dead events with their bodies. There is no way back.

It asks first. Where nobody can be asked, --yes is needed.`,
		do: desk.Purge,
	}
)

type inboxChangeOptions struct {
	app     *app
	change  change
	choice  server.Choice
	confirm confirmation
}

func newInboxChangeCommand(a *app, c change) *cobra.Command {
	o := &inboxChangeOptions{app: a, change: c, confirm: confirmation{app: a, yes: !c.asks}}
	cmd := &cobra.Command{
		Use:   c.name + " EVENT_ID... | --all",
		Short: c.short,
		Long:  c.long,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.choice.IDs = args
			return o.run(cmd.Context())
		},
		Args: cobra.ArbitraryArgs,
	}
	addBool(cmd.Flags(), &o.choice.All, "all", "all events that are dead")
	if c.asks {
		o.confirm.add(cmd.Flags())
	}
	return cmd
}

func (o *inboxChangeOptions) run(ctx context.Context) error {
	place := o.app.inbox()
	o.confirm.check()
	switch ids := o.choice.IDs; {
	case o.choice.All && len(ids) > 0:
		o.app.problem(o.app.origin("all").label, "goes with no EVENT_ID: give one or the other")
	case !o.choice.All && len(ids) == 0:
		o.app.problem("EVENT_ID", "is missing: give the ids of dead events, or --all")
	}
	if err := o.app.refusal(); err != nil {
		return err
	}
	question := fmt.Sprintf("Purge %d events?", len(o.choice.IDs))
	if o.choice.All {
		question = "Purge all dead events?"
	}
	if err := o.confirm.ask(ctx, question); err != nil {
		return err
	}
	return place.with(ctx, func(d desk) error {
		n, err := o.change.do(d, ctx, o.choice)
		if err != nil {
			return err
		}
		o.app.note(ctx, fmt.Sprintf("%d dead events are %s", n, o.change.did), "count", n)
		if missed := len(o.choice.IDs) - n; missed > 0 {
			return fmt.Errorf("%d of %d ids are of no dead event", missed, len(o.choice.IDs))
		}
		return nil
	})
}
