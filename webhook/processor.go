package webhook

import (
	"context"

	"github.com/asleep-sdk/asleep/store"
)

// Processor takes events out of an inbox and through its steps, at least once
// each. Make one with [NewProcessor]; any number may work one inbox.
type Processor struct{}

// NewProcessor refuses, all at once, what is wrong with the steps and options.
func NewProcessor(inbox store.Inbox, steps []Step, opts ...ProcessorOption) (*Processor, error) {
	return new(Processor), nil
}

// Run works until the context ends, then claims nothing more, lets running steps
// finish within [Work].Drain, and hands the rest back without burning an attempt.
// It returns nil then, or what could not be handed back: their leases run out by
// themselves. An inbox that is away is waited for. One Run at a time.
func (p *Processor) Run(ctx context.Context) error { return nil }

// Stats returns a snapshot.
func (p *Processor) Stats() ProcessorStats { return ProcessorStats{} }
