package asleeptest

import (
	"sync"
	"time"
)

// zone is a timezone and the name that it was asked for by.
type zone struct {
	name string
	loc  *time.Location
}

var utc = &zone{name: "UTC", loc: time.UTC}

// defaultZones have whole, half and quarter hours, both hemispheres, and
// changes to and from daylight saving.
var defaultZones = []string{
	"Asia/Seoul", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "America/Los_Angeles", "Europe/London",
	"Asia/Kathmandu", "Australia/Sydney", "America/Sao_Paulo", "Africa/Johannesburg", "Pacific/Auckland", "UTC",
}

// knownZones keeps the zones that exist: reading one takes file access. Their
// number is that of the IANA database.
var knownZones sync.Map // name -> *zone

// loadZone returns the zone of an IANA name, or nil. The empty name and Local,
// which the time package takes for zones too, are none.
func loadZone(name string) *zone {
	if z, ok := knownZones.Load(name); ok {
		if z, ok := z.(*zone); ok {
			return z
		}
	}
	if name == "" || name == "Local" {
		return nil
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	z := &zone{name: name, loc: loc}
	knownZones.Store(name, z)
	return z
}

// loadZones returns those of the zones that exist, and UTC if there are none.
func loadZones(names []string) []*zone {
	if len(names) == 0 {
		names = defaultZones
	}
	var out []*zone
	for _, name := range names {
		if z := loadZone(name); z != nil {
			out = append(out, z)
		}
	}
	if len(out) == 0 {
		out = append(out, utc)
	}
	return out
}
