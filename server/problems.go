package server

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/webhook"
)

// problemsOf is all that [New] finds wrong with what it is given: what would otherwise
// panic when somebody first asks for it, and what its parts would refuse one by one.
func problemsOf(cfg Config, db store.Store, given settings) error {
	var errs []error
	problem := func(format string, args ...any) { errs = append(errs, fmt.Errorf("server: "+format, args...)) }
	if db == nil {
		problem("no store: open one with store.Open")
	}
	for _, c := range given.checks {
		if c.Name == "" || c.Ask == nil {
			problem("WithCheck: the check %q lacks a Name or Ask: give both", c.Name)
		}
	}
	if c, err := client.New(cfg.Upstream.APIKey.Reveal(), cfg.Upstream.clientOptions()...); err != nil {
		problem("%w", err)
	} else {
		_ = c.Close()
	}
	if cfg.Webhooks.Enabled {
		errs = append(errs, cfg.webhookProblems(given)...)
	}
	if cfg.Limits.Enabled {
		all := cfg.Limits.byName()
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if err := cfg.Limits.rate(all[name]).Check(); err != nil {
				problem("the limit of %s: %w", name, err)
			}
		}
	}
	return errors.Join(errs...)
}

func (c Config) webhookProblems(given settings) (errs []error) {
	switch c.Webhooks.Auth {
	case "", AuthSignature, AuthKey:
		if _, err := webhook.NewVerifier(c.verification()); err != nil {
			errs = append(errs, fmt.Errorf("server: %w", err))
		}
	default:
		errs = append(errs, fmt.Errorf("server: Webhooks.Auth is %q: give %s or %s", c.Webhooks.Auth, AuthSignature, AuthKey))
	}
	if given.notifier == nil && c.Notify.URL != "" {
		n, err := c.Notify.open()
		if err != nil {
			return append(errs, fmt.Errorf("server: %w", err))
		}
		n.Close()
	}
	return errs
}
