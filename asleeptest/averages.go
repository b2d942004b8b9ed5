package asleeptest

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/internal/api"
)

// maxPeriod is how far apart the dates of a period may be, in days.
const maxPeriod = 100

// GetAverageStats implements getAverageStats.
func (v *service) GetAverageStats(w http.ResponseWriter, _ *http.Request, userID string, params api.GetAverageStatsParams) {
	s, now := v.server(), time.Now()
	z, ok := requestedZone(w, params.Timezone)
	if !ok {
		return
	}
	days := params.StartDate.DaysUntil(params.EndDate)
	switch {
	case days < 0:
		writeValidation(w, validation{Loc: []string{"query", "end_date"}, Msg: "ensure this value is not before start_date", Type: "value_error"})
	case days > maxPeriod:
		writeDetail(w, http.StatusBadRequest, detailPeriod)
	case !s.exists(userID):
		writeDetail(w, http.StatusNotFound, detailNoAverageUser+userID)
	default:
		p := s.average(userID, params.StartDate, params.EndDate, now, z)
		writeJSON(w, http.StatusOK, enveloped("OK", 1<<10*(len(p.slept)+2), p.append))
	}
}

// measured is a session of a period with its figures; nil ones were null.
type measured struct {
	*recording
	stat *figures
}

// period is what average stats are made of. The sessions are newest first.
type period struct {
	from, to    asleep.Date
	zone        *zone
	slept       []measured
	neverSlept  []measured
	noBreathing bool
}

// average collects the complete sessions that begin on the dates of a period,
// judged in the zone. Those that could not be analysed count as neither.
func (s *Server) average(userID string, from, to asleep.Date, now time.Time, z *zone) period {
	p := period{from: from, to: to, zone: z}
	for _, r := range s.recordings(userID, now) {
		date := asleep.DateOf(r.start.In(z.loc))
		if date.Before(from) || to.Before(date) || r.state(now) != asleep.SessionStateComplete {
			continue
		}
		a := analyse(r, now)
		if slices.Contains(a.peculiarities, asleep.PeculiarityNeverSlept) {
			p.neverSlept = append(p.neverSlept, measured{r, a.stat})
		}
		if slices.Contains(a.peculiarities, asleep.PeculiarityNoBreathingStability) {
			p.noBreathing = true
		}
		if a.stat != nil && a.stat.slept {
			p.slept = append(p.slept, measured{r, a.stat})
		}
	}
	return p
}

func (p *period) append(b []byte) []byte {
	b = append(b, `{"period":{"timezone":`...)
	b = appendString(b, p.zone.name)
	b = fmt.Appendf(b, `,"start_date":"%s","end_date":"%s"},"peculiarities":`, p.from, p.to)
	var peculiarities []asleep.Peculiarity
	if p.noBreathing {
		peculiarities = append(peculiarities, asleep.PeculiarityNoBreathingStability)
	}
	b = appendPeculiarities(b, peculiarities)
	b = append(b, `,"average_stats":`...)
	b = p.appendMeans(b)
	b = append(b, `,"never_slept_sessions":[`...)
	for i, m := range p.neverSlept {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '{')
		b = append(p.appendTimes(b, m, false), '}')
	}
	b = append(b, `],"slept_sessions":[`...)
	for i, m := range p.slept {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(p.appendTimes(append(b, '{'), m, true), ',')
		b = append(appendStat(b, m.stat, p.zone.loc), '}')
	}
	return append(b, `]}`...)
}

func (p *period) appendTimes(b []byte, m measured, zone bool) []byte {
	b = append(b, `"id":`...)
	b = appendString(b, m.id)
	if zone {
		b = append(b, `,"created_timezone":`...)
		b = appendString(b, m.zone.name)
	}
	b = append(b, `,"start_time":`...)
	b = appendTime(b, m.start, p.zone.loc)
	b = append(b, `,"end_time":`...)
	b = appendTime(b, m.end(), p.zone.loc)
	b = append(b, `,"completed_time":`...)
	return appendTime(b, m.complete, p.zone.loc)
}

// unaveraged are the figures of a session that the means leave out.
var unaveraged = map[string]bool{
	"sleep_index": true, "light_latency": true, "deep_latency": true, "rem_latency": true, "sleep_cycle": true,
}

// appendMeans appends the means of all sessions that slept, or null. A figure
// that some of them lack is the mean of the others.
func (p *period) appendMeans(b []byte) []byte {
	if len(p.slept) == 0 {
		return append(b, "null"...)
	}
	clocks := []struct {
		name string
		of   func(measured) time.Time
	}{
		{"start_time", func(m measured) time.Time { return m.start }},
		{"end_time", func(m measured) time.Time { return m.end() }},
		{"sleep_time", func(m measured) time.Time { return m.stat.sleepTime }},
		{"wake_time", func(m measured) time.Time { return m.stat.wakeTime }},
	}
	b = append(b, '{')
	for i, c := range clocks {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `%q:"%s"`, c.name, p.meanClock(c.of))
	}
	all := make([][]member, len(p.slept))
	for i, m := range p.slept {
		all[i] = m.stat.members()
	}
	for i, m := range all[0] {
		if unaveraged[m.name] {
			continue
		}
		sum, n := 0.0, 0
		for _, members := range all {
			if v := members[i].value; !math.IsNaN(v) {
				sum, n = sum+v, n+1
			}
		}
		b = append(b, ',', '"')
		b = append(b, m.name...)
		b = append(b, '"', ':')
		b = appendMean(b, m, sum, n)
	}
	return append(b, '}')
}

// appendMean appends seconds as whole numbers, ratios to three places, and
// counts and indexes to one.
func appendMean(b []byte, m member, sum float64, n int) []byte {
	switch mean := sum / float64(n); {
	case n == 0:
		return append(b, "null"...)
	case m.form == inRatio:
		return appendRatio(b, round(mean, 3))
	case m.form == inTenths, m.form == inNumber:
		return appendRatio(b, round(mean, 1))
	default:
		return strconv.AppendInt(b, int64(math.Round(mean)), 10)
	}
}

const daySeconds = 24 * 60 * 60

// meanClock is the mean time of day. It is taken around the clock, so that
// 23:00 and 01:00 make midnight.
func (p *period) meanClock(of func(measured) time.Time) string {
	var x, y float64
	for _, m := range p.slept {
		hour, minute, second := of(m).In(p.zone.loc).Clock()
		angle := float64(hour*3600+minute*60+second) / daySeconds * 2 * math.Pi
		x, y = x+math.Cos(angle), y+math.Sin(angle)
	}
	seconds := int(math.Round(math.Atan2(y, x)/(2*math.Pi)*daySeconds)+daySeconds) % daySeconds
	return fmt.Sprintf("%02d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}
