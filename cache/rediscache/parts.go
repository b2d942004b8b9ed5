package rediscache

import (
	"context"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/asleep-sdk/asleep/cache"
)

const (
	clusterSlots = 16384
	// clusterParts is into how many runs of slots a cluster is divided. Nodes have runs of
	// slots, and those change hands; with so many, few parts lie on two nodes.
	clusterParts = 64
)

var _ cache.Parted = (*Tier)(nil)

// Parts implements [cache.Parted]: a cluster has 64, so that a node that is down is no trouble
// of those whose values are on others; anything else is one.
func (t *Tier) Parts() int {
	if _, ok := t.client.(*redis.ClusterClient); ok {
		return clusterParts
	}
	return 1
}

// PartOf implements [cache.Parted].
func (t *Tier) PartOf(owner cache.Owner) int {
	return partOf(string(owner), t.Parts())
}

// PingPart implements [cache.Parted].
func (t *Tier) PingPart(ctx context.Context, part int) error {
	parts := t.Parts()
	for i := 0; ; i++ { // some hundred tries at most
		if tag := "p" + strconv.Itoa(i); partOf(tag, parts) == part {
			return t.ping(ctx, tag)
		}
	}
}

// partOf is the part of what stands between the braces of a key.
func partOf(tag string, parts int) int {
	return int(crc16(tag)) % clusterSlots * parts / clusterSlots
}

// crc16 is the one by which Redis assigns keys to slots (CCITT, as in XMODEM).
func crc16(text string) (sum uint16) {
	for i := range len(text) {
		sum ^= uint16(text[i]) << 8
		for range 8 {
			if sum&0x8000 != 0 {
				sum = sum<<1 ^ 0x1021
			} else {
				sum <<= 1
			}
		}
	}
	return sum
}
