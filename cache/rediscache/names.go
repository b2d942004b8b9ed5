package rediscache

import (
	"strings"

	"github.com/asleep-sdk/asleep/cache"
)

// names are the keys in Redis of one value.
type names struct{ marks, value, lease string }

// names gives the keys that belong to key, all in one slot of a cluster.
func (t *Tier) names(key cache.Key) names {
	owner, hash, _ := strings.Cut(key.Name(), ":")
	slot := t.slot(owner)
	kind := ":v:"
	if t.sealer != nil {
		kind = ":s:"
	}
	return names{marks: slot + ":m", value: slot + kind + hash, lease: slot + ":l:" + hash}
}

func (t *Tier) marksName(owner cache.Owner) string { return t.slot(string(owner)) + ":m" }

// slot is the beginning of the keys of an owner: what stands in the braces decides
// where in a cluster they are.
func (t *Tier) slot(owner string) string { return t.prefix + ":{" + owner + "}" }

func (t *Tier) channel() string { return t.prefix + ":notices" }

// silent is a channel on which nobody has anything to say.
func (t *Tier) silent() string { return t.channel() + ":watch" }
