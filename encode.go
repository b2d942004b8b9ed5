package asleep

import (
	"bytes"
	"encoding/json"
)

// MarshalJSON encodes the report; see "Raw and encoding" in the package
// documentation.
func (r Report) MarshalJSON() ([]byte, error) {
	return encode(r.Raw, plainReport(r), func(raw string) (any, error) {
		v, err := ParseReport(raw)
		return (*plainReport)(v), err
	})
}

// MarshalJSON encodes the item of a list; see "Raw and encoding" in the
// package documentation.
func (s SessionSummary) MarshalJSON() ([]byte, error) {
	return encode(s.Raw, plainSessionSummary(s), func(raw string) (any, error) {
		v, err := ParseSessionSummary(raw)
		return (*plainSessionSummary)(v), err
	})
}

// MarshalJSON encodes the user; see "Raw and encoding" in the package
// documentation.
func (u User) MarshalJSON() ([]byte, error) {
	return encode(u.Raw, plainUser(u), func(raw string) (any, error) {
		v, err := ParseUser(raw)
		return (*plainUser)(v), err
	})
}

// MarshalJSON encodes the averages; see "Raw and encoding" in the package
// documentation.
func (a AverageStats) MarshalJSON() ([]byte, error) {
	return encode(a.Raw, plainAverageStats(a), func(raw string) (any, error) {
		v, err := ParseAverageStats(raw)
		return (*plainAverageStats)(v), err
	})
}

// MarshalJSON encodes the body of a webhook; see "Raw and encoding" in the
// package documentation.
func (w WebhookBody) MarshalJSON() ([]byte, error) {
	return encode(w.Raw, plainWebhookBody(w), func(raw string) (any, error) {
		v, err := ParseWebhookBody(raw)
		return (*plainWebhookBody)(v), err
	})
}

// MarshalJSON encodes the payload of a webhook; see "Raw and encoding" in the
// package documentation.
func (d SessionCompleteData) MarshalJSON() ([]byte, error) {
	return encode(d.Raw, plainSessionComplete(d), func(raw string) (any, error) {
		v, err := parseSessionComplete(raw)
		return (*plainSessionComplete)(v), err
	})
}

// encode writes value as an edit of raw: what decoding raw would give again is
// taken from raw, the rest from the value.
func encode(raw string, value any, parse func(raw string) (any, error)) ([]byte, error) {
	now, err := json.Marshal(value)
	if err != nil || raw == "" {
		return now, err
	}
	decoded, err := parse(raw)
	if err != nil {
		return nil, err
	}
	was, err := json.Marshal(decoded)
	if err != nil {
		return nil, err
	}
	return merge(json.RawMessage(raw), was, now), nil
}

// merge is a three-way merge of JSON values: it applies to raw the difference
// between was, which raw decodes to, and now. All three are valid JSON.
func merge(raw, was, now json.RawMessage) json.RawMessage {
	if bytes.Equal(was, now) {
		return raw
	}
	switch {
	case kind(raw) == '{' && kind(was) == '{' && kind(now) == '{':
		return mergeObjects(raw, was, now)
	case kind(raw) == '[' && kind(was) == '[' && kind(now) == '[':
		return mergeArrays(raw, was, now)
	}
	return now
}

func mergeObjects(raw, was, now json.RawMessage) json.RawMessage {
	before, after := members(was), members(now)
	known, current := index(before), index(after)
	out := []byte{'{'}
	add := func(name string, value json.RawMessage) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		key, _ := json.Marshal(name) //nolint:errchkjson // a string always encodes
		out = append(append(append(out, key...), ':'), value...)
	}
	seen := map[string]bool{}
	for _, m := range members(raw) {
		seen[m.name] = true
		v, isNow := current[m.name]
		w, wasKnown := known[m.name]
		switch {
		case isNow && wasKnown:
			add(m.name, merge(m.value, w, v))
		case isNow:
			add(m.name, v)
		case !wasKnown: // unknown to this package: it survives
			add(m.name, m.value)
		}
	}
	for _, m := range after {
		if !seen[m.name] && !bytes.Equal(known[m.name], m.value) {
			add(m.name, m.value)
		}
	}
	return append(out, '}')
}

// mergeArrays keeps the elements that were not edited, as long as the length
// is the same; otherwise nothing tells which element became which.
func mergeArrays(raw, was, now json.RawMessage) json.RawMessage {
	r, w, n := items(raw), items(was), items(now)
	if len(r) != len(w) || len(r) != len(n) {
		return now
	}
	out := []byte{'['}
	for i := range r {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, merge(r[i], w[i], n[i])...)
	}
	return append(out, ']')
}

func kind(v json.RawMessage) byte {
	if i := skipSpace(v, 0); i < len(v) {
		return v[i]
	}
	return 0
}

type member struct {
	name  string
	value json.RawMessage
}

// members lists the members of a valid object in the order they stand in.
func members(object json.RawMessage) (list []member) {
	d := json.NewDecoder(bytes.NewReader(object))
	if _, err := d.Token(); err != nil {
		return nil
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return list
		}
		m := member{}
		m.name, _ = name.(string)
		if d.Decode(&m.value) != nil {
			return list
		}
		list = append(list, m)
	}
	return list
}

func index(list []member) map[string]json.RawMessage {
	byName := make(map[string]json.RawMessage, len(list))
	for _, m := range list {
		byName[m.name] = m.value
	}
	return byName
}

func items(array json.RawMessage) (list []json.RawMessage) {
	_ = json.Unmarshal(array, &list) // valid by contract
	return list
}
