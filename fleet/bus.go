package fleet

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// bus wakes this process when another has news. A message says no more than that
// there is some: what it is, is read from a key, so that nothing on a channel has
// to be believed. News may be missed; all that listen poll as well.
type bus struct {
	client redis.UniversalClient
	life   context.Context
	end    context.CancelFunc
	wg     sync.WaitGroup
}

// busHealth is how often an idle subscription is checked for life.
const busHealth = time.Second

func newBus(client redis.UniversalClient) *bus {
	b := &bus{client: client}
	b.life, b.end = context.WithCancel(context.Background())
	return b
}

// listen calls news for every message on the channel, and for every time that the
// subscription is made, as messages may have been missed. news must not block.
func (b *bus) listen(channel string, news func()) {
	b.wg.Go(func() {
		subscription := b.client.Subscribe(b.life, channel)
		messages := subscription.ChannelWithSubscriptions(redis.WithChannelHealthCheckInterval(busHealth))
		for {
			select {
			case _, open := <-messages:
				if !open {
					return
				}
				news()
			case <-b.life.Done():
				_ = subscription.Close() // the connection may be gone
				return
			}
		}
	})
}

func (b *bus) close() {
	b.end()
	b.wg.Wait()
}
