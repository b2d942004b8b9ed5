package mongo

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/asleep-sdk/asleep/store"
)

// parseURL takes out of the URL what is this package's: batch and lean. The rest
// is the driver's.
func parseURL(u *url.URL) (*url.URL, Config, error) {
	var cfg Config
	if u.Host == "" || u.Opaque != "" {
		return nil, cfg, fmt.Errorf("%w: the %s URL of the database names no host: want %s://HOST/DATABASE", store.ErrInvalid, u.Scheme, u.Scheme)
	}
	if name := databaseOf(u); strings.ContainsAny(name, `/\. "$*<>:|?`) || len(name) > 63 {
		return nil, cfg, fmt.Errorf("%w: %.80q cannot be the name of a MongoDB database", store.ErrInvalid, name)
	}
	var rest []string
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		key, value, _ := strings.Cut(pair, "=")
		var err error
		switch key {
		case "":
			continue
		case "batch":
			if cfg.Batch, err = strconv.Atoi(value); err != nil || cfg.Batch < 1 || cfg.Batch > maxBatch {
				return nil, cfg, fmt.Errorf("%w: batch=%.20s: want 1 to %d sessions a command", store.ErrInvalid, value, maxBatch)
			}
		case "lean":
			if cfg.Lean, err = strconv.ParseBool(value); err != nil {
				return nil, cfg, fmt.Errorf("%w: lean=%.20s: want true or false", store.ErrInvalid, value)
			}
		default:
			rest = append(rest, pair)
		}
	}
	driver := *u
	driver.RawQuery = strings.Join(rest, "&")
	if driver.Path == "" {
		driver.Path = "/" // the driver wants it before options
	}
	return &driver, cfg, nil
}

// databaseOf is the database that the URL names, or the default.
func databaseOf(u *url.URL) string {
	if name := strings.TrimPrefix(u.Path, "/"); name != "" {
		return name
	}
	return defaultDatabase
}
