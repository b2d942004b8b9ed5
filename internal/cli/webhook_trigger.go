package cli

import (
	"cmp"
	"context"
	crand "crypto/rand"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/internal/config"
	"github.com/asleep-sdk/asleep/webhook"
)

type webhookTriggerOptions struct {
	app     *app
	url     string
	scheme  webhook.Scheme
	event   string
	shape   string
	header  bool
	user    string
	session string
	seq     int
	epochs  int
	body    string
}

func newWebhookTriggerCommand(a *app) *cobra.Command {
	o := &webhookTriggerOptions{
		app: a, url: "http://127.0.0.1:8080/asleep-webhook", event: string(asleep.WebhookEventSessionComplete),
		shape: "v3", user: "user-0001", epochs: 10,
	}
	cmd := &cobra.Command{
		Use:   "trigger",
		Short: "Send a signed event of a made-up night, and print the answer",
		Long: `Send a signed event of a made-up night to a receiver, and print its answer. The
exit code is 0 if it was acknowledged.`,
		Example: `  asleep webhook trigger
  asleep webhook trigger --event INFERENCE_COMPLETE --shape v1 --seq 12 --epochs 40
  asleep webhook trigger --url http://127.0.0.1:8788/ --scheme standard --body event.json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.noArguments(args)
			return o.run(cmd.Context())
		},
		Args: cobra.ArbitraryArgs,
	}
	flags := cmd.Flags()
	addChecked(flags, &o.url, "url", "URL", "where to send it", o.url, parseHookURL)
	addScheme(flags, &o.scheme)
	flags.StringVar(&o.event, "event", o.event, "`EVENT`: SESSION_COMPLETE, INFERENCE_COMPLETE, or one that nobody knows")
	addChoice(flags, &o.shape, "shape", "", "SHAPE", "version and shape of the body", "v3", "v3-flat", "v2", "v1")
	addBool(flags, &o.header, "user-in-header", "name the user in x-user-id alone")
	flags.StringVar(&o.user, "user", o.user, "`ID` of the user")
	flags.StringVar(&o.session, "session", "", "`ID` of the session; default a new one")
	addInt(flags, &o.seq, "seq", "N", "number of an INFERENCE_COMPLETE", 0, 30)
	addInt(flags, &o.epochs, "epochs", "N", "epochs that it tells, 10 or 40 as a rule", 1, 1000)
	flags.StringVar(&o.body, "body", "", "`FILE` with the body to send instead, - for stdin")
	return cmd
}

// parseHookURL wants a URL that something can be sent to.
func parseHookURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", fmt.Errorf("%s is no URL: give one such as http://127.0.0.1:8080/asleep-webhook", config.Quote(text))
	}
	return text, nil
}

func (o *webhookTriggerOptions) run(ctx context.Context) error {
	sender := o.app.hookSender(o.scheme)
	sender.UserID = o.user
	if err := o.app.refusal(); err != nil {
		return err
	}
	body, err := o.content()
	if err != nil {
		return err
	}
	r, err := sender.NewRequest(ctx, o.url, body)
	if err != nil {
		return err
	}
	start := time.Now()
	answer, err := (&http.Client{Timeout: time.Minute}).Do(r)
	if err != nil {
		return exitWith(ExitStopped, fmt.Errorf("nobody answered: %w: is the receiver running?", err))
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return exitWith(ExitStopped, fmt.Errorf("the answer broke off: %w", err))
	}
	_, err = fmt.Fprintf(o.app.Out, "%s\n", strings.TrimSpace(string(text)))
	o.app.note(ctx, fmt.Sprintf("answered %s after %s", answer.Status, time.Since(start).Round(100*time.Microsecond)))
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("the receiver did not take the event: %s", answer.Status)
	}
	return stdoutError(err)
}

// content is the body of the flag, or one that the fake makes up.
func (o *webhookTriggerOptions) content() (string, error) {
	if o.body != "" {
		return o.app.hookInput([]string{o.body})
	}
	fake := asleeptest.New(asleeptest.Config{Seed: rand.Uint64()})
	fake.AddUser(asleeptest.User{ID: o.user})
	const length = 8 * time.Hour
	id, err := fake.AddSession(o.user, asleeptest.Session{ID: cmp.Or(o.session, newSessionID(time.Now().Add(-length))), Length: length})
	if err != nil {
		return "", err
	}
	version, flat := strings.CutSuffix(o.shape, "-flat")
	body, _, err := fake.EventBody(id, asleeptest.Event{
		Kind: asleep.WebhookEvent(o.event), Version: asleep.WebhookVersion(strings.ToUpper(version)), Flat: flat, UserInHeader: o.header, Seq: o.seq, Epochs: o.epochs,
	})
	return body, err
}

// newSessionID is an id as the service makes them. A fake of one user would give those that
// are triggered in one second the same.
func newSessionID(start time.Time) string {
	return start.UTC().Format("20060102150405_") + strings.ToLower(crand.Text()[:5])
}
