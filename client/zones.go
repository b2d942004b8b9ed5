package client

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// zones checks timezone names and remembers the good ones, as looking one up
// reads a file.
type zones struct {
	known sync.Map // name -> *time.Location, nil where the machine has no data
}

// maxZoneBytes bounds a name; the longest in use has 32 bytes.
const maxZoneBytes = 64

// check says what is wrong with a name and what to do, "" if nothing is. Empty
// means that no timezone is sent.
func (z *zones) check(name string) string {
	if name == "" {
		return ""
	}
	_, problem := z.find(name)
	return problem
}

// location returns the zone by name; UTC for "" and for a zone that this machine
// knows nothing of.
func (z *zones) location(name string) *time.Location {
	if loc, _ := z.find(name); loc != nil {
		return loc
	}
	return time.UTC
}

func (z *zones) find(name string) (loc *time.Location, problem string) {
	if v, ok := z.known.Load(name); ok {
		loc, _ = v.(*time.Location)
		return loc, ""
	}
	const remedy = "give an IANA name such as Asia/Seoul or UTC"
	switch {
	case name == "":
		return time.UTC, ""
	case strings.EqualFold(name, "local"):
		return nil, fmt.Sprintf("%q means nothing to the service: %s", name, remedy)
	case !zoneSyntax(name):
		return nil, fmt.Sprintf("%q is not a timezone: %s", clip(name, maxZoneBytes), remedy)
	}
	loc, err := time.LoadLocation(name)
	if err != nil && zoneDataPresent() {
		return nil, fmt.Sprintf("%q is not a known timezone: %s", name, remedy)
	}
	z.known.Store(name, loc)
	return loc, ""
}

// zoneDataPresent tells an unknown name from a machine without timezone data,
// where the service is left to judge.
var zoneDataPresent = sync.OnceValue(func() bool {
	_, err := time.LoadLocation("Asia/Seoul")
	return err == nil
})

// zoneSyntax reports whether a name is made as IANA makes them.
func zoneSyntax(name string) bool {
	if len(name) > maxZoneBytes {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." || part[0] == '-' {
			return false
		}
		for _, r := range part {
			letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
			if !letter && (r < '0' || r > '9') && !strings.ContainsRune("_-+", r) {
				return false
			}
		}
	}
	return true
}
