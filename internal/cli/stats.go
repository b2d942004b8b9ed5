package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/asleep-sdk/asleep/client"
)

type statsOptions struct {
	app    *app
	output format
	user   string
	store  bool
	by     periodWord
	period period
}

func newStatsCommand(a *app) *cobra.Command {
	o := &statsOptions{app: a, output: formatTable, by: wordAll}
	cmd := &cobra.Command{
		Use:   "stats (--user USER_ID | --store)",
		Short: "Show the averages of a user over a period",
		Long: `Show the averages of a user over a period of any length.

Without dates it is a summary: the last session, the averages of the last 30
days, and the number of sessions in them. --from without --to ends today.

The service averages at most 100 days. A longer period is asked for in parts
and combined: means weighted by the slept sessions of each part, clock times on
the circle. "combination" says how.

With --store it sums up what "asleep fetch --store" has kept, without asking the
service: of all users, unless one is named; count, mean, least, most and latest
of every figure, over all, by day or by hour. Sessions are judged by their start,
the period in --timezone, a day and an hour on the clock that recorded them.`,
		Example: `  asleep stats --user user-0001
  asleep stats --user user-0001 --from 2025-01-01 --to 2025-12-31 -o json
  asleep stats --store --user user-0001 --period daily`,
		GroupID: "data",
		RunE: func(cmd *cobra.Command, args []string) error {
			a.noArguments(args)
			if o.store {
				return o.statsStored(cmd.Context())
			}
			return o.run(cmd.Context(), time.Now())
		},
		Args: cobra.ArbitraryArgs,
	}
	addUser(cmd.Flags(), &o.user)
	addStore(cmd.Flags(), &o.store)
	addChoice(cmd.Flags(), &o.by, "period", "", "PERIOD", "with --store, what is summed up together", wordAll, wordDaily, wordHourly)
	o.period.add(cmd.Flags())
	addOutput(cmd.Flags(), &o.output, formatTable, formatJSON, formatNDJSON, formatCSV)
	return cmd
}

func (o *statsOptions) run(ctx context.Context, now time.Time) error {
	o.app.checkID(o.app.origin("user").label, o.user)
	if o.app.origin("period").rank == 0 {
		o.app.problem(o.app.origin("period").label, "goes with --store only: the service averages the whole period")
	}
	o.close(now)
	c, end := o.app.cachedClient(ctx, cacheUse{}, client.WithTimezone(o.period.timezone))
	defer end()
	if err := o.app.refusal(); err != nil {
		return err
	}
	var answer statsAnswer
	if o.period.given() {
		stats, err := c.AverageStats(ctx, o.user, o.period.from, o.period.to)
		if err != nil {
			return err
		}
		answer = statsAnswer{
			userID: o.user, from: o.period.from, to: o.period.to,
			stats: &stats.AverageStats, combination: stats.Combination, windows: stats.Windows,
		}
	} else {
		s, err := c.Summary(ctx, o.user)
		if err != nil {
			return err
		}
		answer = statsAnswer{userID: o.user, from: s.From, to: s.To, stats: s.Averages, combination: client.CombinationNone, summary: s}
	}
	return statsView().one(o.app.Out, o.output, answer)
}

// close resolves the period and sees that it has two ends or none.
func (o *statsOptions) close(now time.Time) {
	if o.app.given("from") && !o.app.given("to") && !o.period.from.IsZero() {
		o.period.to = o.period.today(now)
		if o.period.to.Before(o.period.from) {
			o.app.problem(o.app.origin("from").label, "%s lies in the future: give an earlier date", o.period.from)
			return
		}
	}
	o.period.resolve(o.app, now)
	if o.period.from.IsZero() && !o.period.to.IsZero() && !o.app.given("from") {
		o.app.problem("--from", "is missing beside %s: give the first date", o.app.origin("to").label)
	}
}
