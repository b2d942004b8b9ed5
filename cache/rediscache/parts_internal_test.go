//go:build unix

package rediscache

import (
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/internal/dbtest"
)

func TestPartsAreThoseThatRedisMakes(t *testing.T) {
	t.Parallel()
	client := redis.NewClient(&redis.Options{Addr: dbtest.RedisCluster(t, 3)[0].Addr})
	t.Cleanup(func() { _ = client.Close() })
	tier := &Tier{client: redis.NewClusterClient(&redis.ClusterOptions{}), prefix: "p"}
	t.Cleanup(func() { _ = tier.client.Close() })
	seen := map[int]bool{}
	for i := range 1000 {
		owner := cache.OwnerOf("tenant", strconv.Itoa(i))
		part := tier.PartOf(owner)
		seen[part] = true
		if i < 50 {
			slot, err := client.ClusterKeySlot(t.Context(), tier.marksName(owner)).Result()
			if err != nil || part != int(slot)/(clusterSlots/clusterParts) {
				t.Errorf("%s is in part %d, and in slot %d, %v", owner, part, slot, err)
			}
		}
	}
	if len(seen) != clusterParts {
		t.Errorf("%d parts of %d have owners", len(seen), clusterParts)
	}
	if single := (&Tier{client: client}); single.Parts() != 1 || single.PartOf("x") != 0 {
		t.Error("a single server has parts")
	}
}
