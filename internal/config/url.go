package config

import (
	"net/url"
	"slices"
	"strings"
)

// URL reads a URL with one of the schemes, from the variable name or, as it may
// hold a password, from the file that name_FILE names. It is listed without what
// is secret in it.
func (r *Reader) URL(name string, schemes ...string) Secret {
	s := r.Secret(name)
	if s.IsZero() {
		return s
	}
	v := &r.values[len(r.values)-1]
	v.Secret, v.Text = false, ShowURL(s.Reveal())
	u, err := url.Parse(strings.TrimSpace(s.Reveal()))
	if err != nil || u.Host == "" || !slices.Contains(schemes, u.Scheme) {
		r.Add(v.Label, "%s is not understood: give a URL that begins with %s", Quote(v.Text), strings.Join(schemes, ": or ")+":")
		return Secret{}
	}
	return s
}
