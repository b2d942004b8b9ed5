package cli

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/asleep-sdk/asleep/webhook"
)

type webhookVerifyOptions struct {
	app       *app
	headers   string
	tolerance time.Duration
	anyAge    bool
	showIDs   bool
}

func newWebhookVerifyCommand(a *app) *cobra.Command {
	o := &webhookVerifyOptions{app: a, tolerance: webhook.DefaultTolerance}
	cmd := &cobra.Command{
		Use:   "verify [FILE]",
		Short: "Say whether a captured request is authentic, and why not",
		Long: `Say whether a captured request is authentic, and why it is not.

FILE, or stdin, is a request as it went over the wire: headers, an empty line,
the body. With --headers it is the body alone.`,
		Example: `  asleep webhook verify request.txt
  asleep webhook verify --headers headers.txt --any-age body.json`,
		RunE: func(_ *cobra.Command, args []string) error {
			a.atMostOne(args)
			return o.run(args)
		},
		Args: cobra.ArbitraryArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&o.headers, "headers", "", "`FILE` of headers, one \"Name: value\" a line")
	addDuration(flags, &o.tolerance, "tolerance", "how far a timestamp of Standard Webhooks may lie from now")
	addBool(flags, &o.anyAge, "any-age", "accept every timestamp: the capture is old")
	addBool(flags, &o.showIDs, "show-ids", "show user and session ids, not hashes of them")
	return cmd
}

func (o *webhookVerifyOptions) run(args []string) error {
	c := webhook.VerifierConfig{Tolerance: o.tolerance}
	if o.anyAge {
		c.Tolerance = -1
	}
	v := o.app.hookVerifier(c)
	if err := o.app.refusal(); err != nil {
		return err
	}
	text, err := o.app.hookInput(args)
	if err != nil {
		return err
	}
	head, body := splitRequest(text)
	if o.headers != "" {
		body = text
		if head, err = o.headerFile(); err != nil {
			return err
		}
	}
	h, err := readHeaders(head)
	if err != nil {
		return err
	}
	id, err := v.Verify(h, []byte(body))
	if err != nil {
		return fmt.Errorf("not authentic: %s%s", strings.TrimPrefix(err.Error(), "webhook: "), verifyHint(err))
	}
	e, err := webhook.Decode(h.Get("X-User-Id"), body)
	if err != nil {
		return fmt.Errorf("authentic, but %s", strings.TrimPrefix(err.Error(), "webhook: "))
	}
	_, err = fmt.Fprintf(o.app.Out, "authentic by %s: %s\n", proof(id), eventLine(e, o.showIDs))
	return stdoutError(err)
}

func (o *webhookVerifyOptions) headerFile() (string, error) {
	b, err := os.ReadFile(o.headers)
	if err != nil {
		o.app.problem(o.app.origin("headers").label, "%q cannot be read: %v: name another file", o.headers, errors.Unwrap(err))
		return "", o.app.refusal()
	}
	return string(b), nil
}

// proof names the scheme, and which secret or key it was, counted from 1.
func proof(id webhook.Identity) string {
	switch id.Scheme {
	case webhook.SchemeHex:
		return fmt.Sprintf("x-signature (secret %d, key %d)", id.Secret+1, id.Key+1)
	case webhook.SchemeStandard:
		return fmt.Sprintf("Standard Webhooks (secret %d)", id.Secret+1)
	default:
		return fmt.Sprintf("x-api-key alone (key %d)", id.Key+1)
	}
}

func verifyHint(err error) string {
	switch {
	case errors.Is(err, webhook.ErrTooOld):
		return ": give --any-age for an old capture"
	case errors.Is(err, webhook.ErrBadSignature):
		return ": another secret, or the body is not byte for byte what was signed (a line break at its end?)"
	case errors.Is(err, webhook.ErrNoSignature):
		return ": the service itself signs nothing; WEBHOOK_AUTH=key accepts the key alone"
	}
	return ""
}

// splitRequest cuts a request at its first empty line.
func splitRequest(text string) (head, body string) {
	crlf, lf := strings.Index(text, "\r\n\r\n"), strings.Index(text, "\n\n")
	switch {
	case crlf >= 0 && (lf < 0 || crlf < lf):
		return text[:crlf], text[crlf+4:]
	case lf >= 0:
		return text[:lf], text[lf+2:]
	}
	return text, ""
}

// readHeaders reads lines of headers, after a request line if there is one.
func readHeaders(text string) (http.Header, error) {
	if first, rest, ok := strings.Cut(text, "\n"); ok && strings.Contains(first, " HTTP/") {
		text = rest
	}
	h, err := textproto.NewReader(bufio.NewReader(strings.NewReader(strings.TrimSpace(text) + "\r\n\r\n"))).ReadMIMEHeader()
	if err != nil {
		return nil, errors.New("the headers are not understood: write lines such as \"x-api-key: value\", and an empty line before the body")
	}
	return http.Header(h), nil
}
