package config

import "strings"

// Secrets reads secrets that are separated by commas, as [Reader.Secret] reads
// one. An empty one between two commas, which might let everybody in, is a problem.
func (r *Reader) Secrets(name string) []Secret {
	all := r.Secret(name)
	if all.IsZero() {
		return nil
	}
	label := r.values[len(r.values)-1].Label
	var secrets []Secret
	for text := range strings.SplitSeq(all.Reveal(), ",") {
		text = strings.TrimSpace(text)
		if text == "" {
			r.Add(label, "has an empty entry: take out the comma too many")
			continue
		}
		secrets = append(secrets, NewSecret(text))
	}
	return secrets
}
