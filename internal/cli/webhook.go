package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/asleep-sdk/asleep/internal/redact"
	"github.com/asleep-sdk/asleep/webhook"
)

const webhookLong = `Sign, check, send and receive webhooks by hand.

The secret is ASLEEP_WEBHOOK_SECRET and the key sent as x-api-key is the first of
WEBHOOK_API_KEYS or ASLEEP_API_KEY: in the environment, in .env, or in the file that
NAME_FILE names. They are never arguments. Several, separated by commas, are all
accepted; the first one signs.`

func newWebhookCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "webhook",
		Short:   "Sign, check, send and receive webhooks by hand",
		Long:    webhookLong,
		GroupID: "tools",
		RunE:    a.needSubcommand,
		Args:    cobra.ArbitraryArgs,
	}
	cmd.AddCommand(newWebhookSignCommand(a), newWebhookVerifyCommand(a), newWebhookTriggerCommand(a), newWebhookListenCommand(a))
	return cmd
}

// hookSecrets are the secrets and keys of webhooks, which the settings list.
func (a *app) hookSecrets() (secrets, keys []string) {
	secrets = commaList(a.reader.Secret("ASLEEP_WEBHOOK_SECRET").Reveal())
	if keys = commaList(a.reader.Secret("WEBHOOK_API_KEYS").Reveal()); len(keys) == 0 {
		keys = commaList(a.reader.Secret("ASLEEP_API_KEY").Reveal())
	}
	return secrets, keys
}

// commaList keeps empty items, so that the verifier complains of them.
func commaList(text string) []string {
	if text == "" {
		return nil
	}
	list := strings.Split(text, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

func addScheme(flags *pflag.FlagSet, target *webhook.Scheme) {
	*target = webhook.SchemeHex
	addChoice(flags, target, "scheme", "", "SCHEME",
		"how to sign; signature is x-signature, standard is Standard Webhooks, key is no signature but x-api-key", webhook.SchemeHex, webhook.SchemeStandard, webhook.SchemeKey)
}

// hookSender signs with the first secret and key. What is missing is noted as a
// problem.
func (a *app) hookSender(scheme webhook.Scheme) webhook.Sender {
	secrets, keys := a.hookSecrets()
	s := webhook.Sender{Scheme: scheme}
	if len(keys) > 0 {
		s.Key = keys[0]
	}
	if len(secrets) > 0 {
		s.Secret = secrets[0]
	}
	if scheme != webhook.SchemeKey {
		if s.Secret == "" {
			a.problem("ASLEEP_WEBHOOK_SECRET", "is not set: set it in the environment or in .env, or name the file that holds it in ASLEEP_WEBHOOK_SECRET_FILE")
		} else if _, err := s.Header(""); err != nil {
			a.problem("ASLEEP_WEBHOOK_SECRET", "is no secret of Standard Webhooks: set base64, after an optional whsec_, or use --scheme signature")
		}
	}
	return s
}

// hookVerifier accepts what the settings name. What is wrong is noted as a
// problem.
func (a *app) hookVerifier(c webhook.VerifierConfig) *webhook.Verifier {
	c.Secrets, c.Keys = a.hookSecrets()
	if len(c.Secrets) == 0 {
		c.Mode = webhook.ModeKey
	}
	v, err := webhook.NewVerifier(c)
	if err != nil && len(c.Secrets)+len(c.Keys) == 0 {
		a.problem("ASLEEP_WEBHOOK_SECRET", "is not set, nor is WEBHOOK_API_KEYS or ASLEEP_API_KEY: set what deliveries are to be checked with")
		return nil
	}
	for _, e := range leaves(err) {
		a.problem("ASLEEP_WEBHOOK_SECRET, WEBHOOK_API_KEYS", "are not accepted: %s", strings.TrimPrefix(e.Error(), "webhook: "))
	}
	return v
}

// maxHookInput bounds what is read of a body or a captured request, in bytes.
const maxHookInput = 32 << 20

// hookInput reads the file that the only argument names, or stdin without one.
func (a *app) hookInput(args []string) (string, error) {
	in := a.In
	if len(args) > 0 && args[0] != "-" {
		f, err := os.Open(args[0])
		if err != nil {
			a.problem(fmt.Sprintf("file %q", args[0]), "cannot be read: %v: name another, or - for stdin", errors.Unwrap(err))
			return "", a.refusal()
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxHookInput+1))
	if err == nil && len(b) > maxHookInput {
		err = fmt.Errorf("the input is longer than %d bytes", maxHookInput)
	}
	return string(b), err
}

// atMostOne notes arguments after the first as problems.
func (a *app) atMostOne(args []string) {
	if len(args) > 1 {
		a.noArguments(args[1:])
	}
}

// eventLine tells of an event in one line, its user as a hash unless ids are to be
// shown.
func eventLine(e webhook.Event, ids bool) string {
	user, session := redact.User(e.UserID).String(), redact.User(e.SessionID).String()
	session = "session:" + strings.TrimPrefix(session, "user:")
	if ids {
		user, session = cell(e.UserID), cell(e.SessionID)
	}
	line := fmt.Sprintf("%s %s %s %s %d bytes", cell(string(e.Kind)), cell(string(e.Version)), user, session, len(e.Body))
	if err := e.Check(); err != nil {
		line += " (" + strings.TrimPrefix(err.Error(), "webhook: ") + ")"
	}
	return line
}
