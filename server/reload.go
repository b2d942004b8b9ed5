package server

import (
	"errors"
	"fmt"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/webhook"
)

// Reload takes over the secrets of another configuration: what makes a
// delivery authentic, the API key, what notifications are signed with, the
// token of operators, the keys of the read API. Requests under way go on with those they began with, and
// none is refused because of the change. Everything else of cfg is left alone.
// If any secret cannot be used, none is taken over.
func (s *Service) Reload(cfg Config) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	if err := s.tryOut(cfg); err != nil {
		return fmt.Errorf("server: the secrets stay as they were: %w", err)
	}
	// What could fail was tried out above.
	var problems []error
	if cfg.Upstream.APIKey.Reveal() != s.upstream.settings.APIKey.Reveal() {
		problems = append(problems, s.upstream.use(cfg.Upstream.APIKey))
	}
	if s.verifier != nil {
		problems = append(problems, s.verifier.Replace(cfg.verification()))
	}
	if s.worker != nil && s.worker.notifier != nil {
		problems = append(problems, s.worker.notifier.SetSecrets(reveal(cfg.Notify.Secrets)))
	}
	s.reads.keys.Store(newKeyring(cfg.Reading.Keys))
	s.token.Store(&cfg.AdminToken)
	return errors.Join(problems...)
}

// tryOut finds every secret that cannot be used.
func (s *Service) tryOut(cfg Config) error {
	_, problem := client.New(cfg.Upstream.APIKey.Reveal(), s.upstream.options...)
	problems := []error{problem}
	if s.verifier != nil {
		_, problem = webhook.NewVerifier(cfg.verification())
		problems = append(problems, problem)
	}
	if s.worker != nil && s.worker.notifier != nil {
		_, problem = webhook.NewHTTPNotifier(s.cfg.Notify.URL, reveal(cfg.Notify.Secrets), webhook.HTTPNotifierConfig{})
		problems = append(problems, problem)
	}
	if cfg.AdminToken.IsZero() && !isLoopback(s.cfg.AdminAddr) {
		problems = append(problems, errors.New("ADMIN_TOKEN is gone, and ADMIN_ADDR can be reached from other machines"))
	}
	return errors.Join(problems...)
}
