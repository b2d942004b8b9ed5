package config

import (
	"net/url"
	"strings"

	"github.com/asleep-sdk/asleep/internal/seal"
)

// DefaultDatabase is the database where none is named: a file in the working
// directory.
const DefaultDatabase = "sqlite:./asleep.db"

// maxRetention bounds RETENTION_DAYS: a century.
const maxRetention = 36525

// Database are the settings of the store.
type Database struct {
	// URL is DATABASE_URL, or in the file DATABASE_URL_FILE, for it may hold a
	// password; default [DefaultDatabase]. The backend judges it.
	URL Secret
	// Shown is the URL as it may be shown: without a password.
	Shown string
	// Label is what the source calls the URL, for problems that are found later.
	Label string
	// Given: it is not the default.
	Given bool
	// Keys are those of ENCRYPTION_KEYS, or of the file ENCRYPTION_KEYS_FILE, in
	// base64, separated by commas, the current one first. Nil: payloads are kept
	// as they are.
	Keys *seal.Keyring
	// RetentionDays is RETENTION_DAYS; 0: sessions are kept for ever.
	RetentionDays int
}

// ReadDatabase reads the group.
func ReadDatabase(r *Reader) Database {
	d := Database{URL: NewSecret(DefaultDatabase)}
	if url := r.Secret("DATABASE_URL"); !url.IsZero() {
		d.URL, d.Given = url, true
	}
	// A URL is no secret as a whole: it is listed, without what is.
	d.Shown = ShowURL(d.URL.Reveal())
	v := &r.values[len(r.values)-1]
	v.Secret, v.Text, d.Label = false, d.Shown, v.Label
	d.Keys = readKeys(r)
	d.RetentionDays = r.Int(0, 0, maxRetention, "RETENTION_DAYS")
	return d
}

// hiddenPart stands for what is not shown of a URL.
const hiddenPart = "xxxxx"

// ShowURL is the URL of a database as it may be shown: passwords, in whatever
// place drivers look for them, are hidden. Of a text that is no plain URL nothing
// but the scheme is shown, for a password that is not percent-encoded may stand
// anywhere in it.
func ShowURL(text string) string {
	text = strings.TrimSpace(text)
	scheme, rest, ok := strings.Cut(text, ":")
	if !ok {
		return "(not a URL)"
	}
	u, err := url.Parse(text)
	if err != nil {
		return scheme + ":(not shown)"
	}
	if ats := strings.Count(rest, "@"); strings.HasPrefix(rest, "//") && ats > 0 && (u.User == nil || ats > 1) {
		return scheme + ":(not shown)" // of a password with an @ or a / in it
	}
	if _, set := u.User.Password(); set {
		u.User = url.UserPassword(u.User.Username(), hiddenPart)
	}
	if query := u.Query(); hideSecrets(query) || strings.Contains(u.RawQuery, ";") {
		u.RawQuery = query.Encode()
	}
	return u.String()
}

// hideSecrets replaces the values that name a secret, and tells whether there
// were any. The name of a file is none.
func hideSecrets(query url.Values) (found bool) {
	for name := range query {
		if strings.HasSuffix(name, "_file") {
			continue
		}
		for _, word := range []string{"pass", "secret", "token", "key", "auth"} {
			if strings.Contains(strings.ToLower(name), word) {
				query[name], found = []string{hiddenPart}, true
			}
		}
	}
	return found
}

// HasSecret reports whether the URL of a database holds a password, or may.
func HasSecret(text string) bool {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil {
		return strings.Contains(text, "@")
	}
	_, set := u.User.Password()
	return set || hideSecrets(u.Query())
}
