package cli

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/asleep-sdk/asleep/webhook"
)

func newWebhookSignCommand(a *app) *cobra.Command {
	var scheme webhook.Scheme
	cmd := &cobra.Command{
		Use:   "sign [FILE]",
		Short: "Print the headers that sign a body",
		Long: `Print the headers that sign a body, byte for byte as it is in FILE or comes on
stdin. The API key is a secret and is not printed.`,
		Example: `  asleep webhook sign body.json > headers.txt
  curl -H @headers.txt -H "x-api-key: $ASLEEP_API_KEY" --data-binary @body.json URL`,
		RunE: func(_ *cobra.Command, args []string) error {
			a.atMostOne(args)
			if scheme == webhook.SchemeKey {
				a.problem("--scheme", "key signs nothing: give signature or standard")
			}
			sender := a.hookSender(scheme)
			if err := a.refusal(); err != nil {
				return err
			}
			body, err := a.hookInput(args)
			if err != nil {
				return err
			}
			sender.Key = ""
			h, err := sender.Header(body)
			if err != nil {
				return err
			}
			return stdoutError(writeHeaders(a.Out, h))
		},
		Args: cobra.ArbitraryArgs,
	}
	addScheme(cmd.Flags(), &scheme)
	return cmd
}

func writeHeaders(w io.Writer, h http.Header) error {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if _, err := fmt.Fprintf(w, "%s: %s\n", strings.ToLower(name), h.Get(name)); err != nil {
			return err
		}
	}
	return nil
}
