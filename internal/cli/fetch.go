package cli

import (
	"context"
	"math"
	"time"

	"github.com/spf13/cobra"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/cli/userlist"
)

const fetchLong = `Fetch the sessions of many users, one line a session, unfinished ones too.

Users come from --users-file, one id a line ("-" is stdin; blank lines and lines
that begin with # are passed over, a line of JSON is taken by its user_id), and
from --user. Without --details a line is what the list of sessions says; with it,
a call a session, the whole report. Lines are what the service sent, plus user_id.

With --store sessions are kept in the store of DATABASE_URL, which takes each
once however often it is fetched, and no lines are written but with --out or -o.

With --out or --store a run can be resumed: a checkpoint beside the file says how far it
came, and the same command again goes on from there, whether the run before was
interrupted, stopped or killed. A complete run removes its checkpoint. A user
who fails is named in the error file and does not hold up the others; that file
can be the --users-file of a later run.

The service may be slow, limited or away for a while: fetch waits, up to
--max-outage. Ctrl-C finishes the users in hand and saves; again ends at once.

Exit codes: 0 all fetched, 3 some users failed, 4 the key is refused, 5 outage,
--max-duration or a store that others hold (resumable), 6 quota or plan, 1 the
output or the store cannot be written, 2 usage, 130 and 143 interrupted.`

const fetchExample = `  asleep fetch --users-file users.txt --days 30 --details --out nights.ndjson
  asleep fetch --users-file users.txt --days 30 --details --dry-run
  asleep fetch --users-file nights.ndjson.errors.ndjson --days 30 --details --out again.ndjson
  asleep fetch --user user-0001 --user user-0002 -o csv > nights.csv
  asleep fetch --users-file users.txt --days 3 --details --store`

// Bounds and defaults of fetch.
const (
	fetchConcurrency   = 16
	fetchProgressEvery = 10 * time.Second
)

type fetchOptions struct {
	app    *app
	output format

	users     []string
	usersFile string
	period    period
	details   bool
	store     bool

	concurrency   int
	rate          float64
	sharedRate    bool
	maxDuration   time.Duration
	maxOutage     time.Duration
	progressEvery time.Duration
	quiet         bool
	dryRun        bool
	sample        int

	out, errorFile, checkpoint string
	noResume, overwrite        bool
}

func newFetchCommand(a *app) *cobra.Command {
	o := &fetchOptions{
		app: a, output: formatNDJSON, concurrency: fetchConcurrency,
		maxOutage: client.DefaultMaxOutage, progressEvery: fetchProgressEvery, sample: client.DefaultEstimateSample,
	}
	cmd := &cobra.Command{
		Use:     "fetch",
		Short:   "Fetch the sessions of many users, resumable",
		Long:    fetchLong,
		Example: fetchExample,
		GroupID: "data",
		RunE: func(cmd *cobra.Command, args []string) error {
			a.noArguments(args)
			return o.run(cmd.Context())
		},
		Args: cobra.ArbitraryArgs,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.usersFile, "users-file", "", "file of user ids, one a line; - is stdin")
	flags.StringArrayVar(&o.users, "user", nil, "id of a user; may be repeated")
	o.period.add(flags)
	addBool(flags, &o.details, "details", "fetch the report of every session too, a call each")
	addOutput(flags, &o.output, formatNDJSON, formatCSV)
	addBool(flags, &o.store, "store", "keep the sessions in the store of DATABASE_URL; lines are then written with --out or -o only")
	flags.StringVar(&o.out, "out", "", "file to write to (default stdout)")
	flags.StringVar(&o.errorFile, "error-file", "", "file for the users who failed (default OUT.errors.ndjson, stderr without --out)")
	flags.StringVar(&o.checkpoint, "checkpoint", "", "file that says how far the run came (default OUT.checkpoint, none without --out)")
	addBool(flags, &o.noResume, "no-resume", "neither read nor write a checkpoint")
	addBool(flags, &o.overwrite, "overwrite", "start over: replace what --out, --error-file and the checkpoint hold")
	addInt(flags, &o.concurrency, "concurrency", "N", "most calls in flight", 1, client.MaxBatchConcurrency)
	addNumber(flags, &o.rate, "rate", "N", "most requests a second, repetitions included; 0 means 10", math.Inf(1))
	addBool(flags, &o.sharedRate, "shared-rate", "--rate is that of all processes together that have this API key and the Redis of REDIS_URL")
	addDuration(flags, &o.maxDuration, "max-duration", "start no user after this time, and stop resumable")
	addDuration(flags, &o.maxOutage, "max-outage", "stop resumable when the service was away this long")
	addBool(flags, &o.dryRun, "dry-run", "only estimate the number of calls, from the lists of some users")
	addInt(flags, &o.sample, "sample", "N", "users to list for --dry-run; with no more users than that it is exact", 1, math.MaxInt32)
	addBool(flags, &o.quiet, "quiet", "no progress and no summary, only errors")
	addDuration(flags, &o.progressEvery, "progress-every", "how often to tell the progress where stderr is no terminal")
	return cmd
}

// run judges everything that can be judged before the first call, then
// estimates or fetches.
func (o *fetchOptions) run(ctx context.Context) error {
	started := time.Now()
	var db *database
	if o.store {
		db = o.app.lastingDatabase()
	}
	files := o.files(db)
	o.period.resolve(o.app, started)
	list, total := o.list()
	c, end := o.client(ctx)
	defer end()
	if err := o.app.refusal(); err != nil {
		return err
	}
	job := &fetchJob{fetchOptions: o, files: files, database: db, client: c, list: list, total: total}
	if o.dryRun {
		return job.estimate(ctx)
	}
	return job.fetch(ctx)
}

// client makes the client of the flags: all that flags mean to it stands here.
func (o *fetchOptions) client(ctx context.Context) (_ *client.Client, end func()) {
	connections := o.concurrency
	if most := o.app.reader.Int(0, 1, math.MaxInt32, "ASLEEP_MAX_CONNECTIONS", "MAX_CONNECTIONS"); most > 0 {
		connections = min(connections, most)
	}
	o.concurrency = connections
	throttle := client.DefaultThrottle()
	if o.rate > 0 {
		throttle = client.Throttle{Rate: o.rate}
	}
	var shared *sharedRate
	if o.sharedRate {
		shared = o.app.shareRate(o.app.origin("shared-rate").label, throttle.Rate)
	}
	// The batch itself stops asking a service that is out and probes it with one
	// call at a time, sooner than a breaker would: the breaker only counts.
	breaker := client.DefaultBreaker()
	breaker.Mode = client.BreakerMetricsOnly
	c, forget := o.app.cachedClient(ctx, cacheUse{quiet: o.quiet}, append([]client.Option{
		client.WithTimezone(o.period.timezone),
		client.WithBreaker(breaker),
		client.WithPool(client.Pool{MaxConnections: connections}),
		client.WithThrottle(throttle),
		// Nobody else calls through this client: nothing is kept from the batch.
		client.WithBulkhead(client.Bulkhead{Limit: connections, Reserve: -1}),
	}, shared.options()...)...)
	if !o.quiet && o.app.refusal() == nil {
		shared.greet(ctx)
	}
	return c, func() { forget(); shared.close() }
}

// list opens the users. total is their number, duplicates included, 0 if it is
// not known.
func (o *fetchOptions) list() (list *userlist.List, total int64) {
	in := userlist.Input{IDs: o.users}
	switch o.usersFile {
	case "":
		if len(o.users) == 0 {
			o.app.problem("--users-file", "is missing: name a file with one user id a line, - for stdin, or give --user")
			return nil, 0
		}
	case "-":
		in.Stream, in.StreamName = o.app.In, "standard input"
	default:
		in.Path = o.usersFile
	}
	for _, id := range o.users {
		o.app.checkID(o.app.origin("user").label, id)
	}
	label := o.app.origin("users-file").label
	list, err := userlist.Open(in, o.window()+2*o.concurrency)
	if err != nil {
		o.app.problem(label, "cannot be read: %v: name a readable file with one user id a line", err)
		return nil, 0
	}
	if total, err = list.Count(); err != nil {
		o.app.problem(label, "%v: name a file with one user id a line", err)
	}
	return list, total
}

// lines reports whether sessions are written as lines too.
func (o *fetchOptions) lines() bool {
	return !o.store || o.out != "" || o.app.given("output")
}

// window is how far the batch reads ahead of the first user who is not done.
func (o *fetchOptions) window() int { return min(64*o.concurrency, client.MaxBatchWindow) }
