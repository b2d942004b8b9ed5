package server

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/internal/config"
	"github.com/asleep-sdk/asleep/store"
)

// question is one request to the read API, checked.
type question struct {
	*http.Request

	access   Access
	slot     *slot
	user     string // "" if none was named
	session  string
	source   source // fromStore, fromUpstream; "" is whichever has it first
	zone     string // IANA
	location *time.Location
	from, to asleep.Date // both inclusive; zero is open
	limit    int
	cursor   cursor
	period   store.Period
}

// The number of sessions on a page.
const (
	defaultPage = 50
	maxPage     = 100
)

// ask reads the parameters that a route has; any other is refused, for a misspelled
// one would select what nobody asked for.
func ask(r *http.Request, known ...string) (*question, error) {
	q := &question{Request: r, zone: "UTC", location: time.UTC, limit: defaultPage}
	values, err := parseQuery(r)
	if err != nil {
		return nil, err
	}
	for name, all := range values {
		if !slices.Contains(known, name) {
			return nil, badQuery("the parameter " + config.Quote(name) + " is not known: this path takes " + strings.Join(known, ", "))
		}
		if len(all) > 1 {
			return nil, badQuery("the parameter " + name + " is given twice: give it once")
		}
		if err := q.read(name, all[0]); err != nil {
			return nil, err
		}
	}
	if !q.from.IsZero() && !q.to.IsZero() && q.to.Before(q.from) {
		return nil, badQuery("from " + q.from.String() + " is after to " + q.to.String() + ": exchange them")
	}
	for name, into := range map[string]*string{"user": &q.user, "session": &q.session} {
		if id := r.PathValue(name); id != "" {
			if err := checkID(name, id); err != nil {
				return nil, err
			}
			*into = id
		}
	}
	return q, nil
}

func parseQuery(r *http.Request) (map[string][]string, error) {
	if r.URL.RawQuery == "" {
		return nil, nil
	}
	if len(r.URL.RawQuery) > 8<<10 {
		return nil, badQuery("the query is too long")
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badQuery("the query is not understood: separate parameters by &, and encode what is special in values, such as ; as %3B")
	}
	return values, nil
}

func (q *question) read(name, text string) (err error) {
	switch name {
	case "user_id":
		q.user, err = text, checkID(name, text)
	case "from":
		q.from, err = readDate(name, text)
	case "to":
		q.to, err = readDate(name, text)
	case "timezone":
		q.zone = text
		q.location, err = readZone(text)
	case "limit":
		if q.limit, err = config.Int(text, 1, maxPage); err != nil {
			err = badQuery("limit " + err.Error())
		}
	case "cursor":
		q.cursor, err = parseReadCursor(text)
	case "period":
		if q.period, err = store.ParsePeriod(text); err != nil {
			err = badQuery("period " + config.Quote(text) + " is not known: give all, daily or hourly")
		}
	case "source":
		switch text {
		case "auto":
		case string(fromStore), string(fromUpstream):
			q.source = source(text)
		default:
			err = badQuery("source " + config.Quote(text) + " is not known: give auto, store or upstream")
		}
	}
	return err
}

// checkID refuses what is no id anywhere: it would become a path of the service.
func checkID(name, id string) error {
	bad := strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c == 0x7f || c == '/' || c == '\\' })
	if bad || id == "." || id == ".." || store.CheckID(name, id) != nil {
		return badQuery("the " + strings.TrimSuffix(name, "_id") + " id is none: it is 1 to 512 bytes of UTF-8 without spaces, slashes and control characters")
	}
	return nil
}

func readDate(name, text string) (asleep.Date, error) {
	d, err := asleep.ParseDate(text)
	if err != nil {
		return d, badQuery(name + " " + config.Quote(text) + " is no date: give one such as 2026-11-21")
	}
	return d, nil
}

func readZone(text string) (*time.Location, error) {
	if l, err := time.LoadLocation(text); err == nil && text != "" && len(text) <= 64 && !strings.EqualFold(text, "local") {
		return l, nil
	}
	return nil, badQuery("timezone " + config.Quote(text) + " is not known: give an IANA name such as Asia/Seoul or UTC")
}

// instants are the dates as a clock in the zone of the question shows them, half-open.
func (q *question) instants() (from, to time.Time) {
	midnight := func(d asleep.Date) time.Time {
		return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, q.location)
	}
	if !q.from.IsZero() {
		from = midnight(q.from)
	}
	if !q.to.IsZero() {
		to = midnight(q.to.AddDays(1))
	}
	return from, to
}

// lately fills in the last days, today included, where no dates are given.
func (q *question) lately(days int) {
	if q.to.IsZero() {
		q.to = asleep.DateOf(time.Now().In(q.location))
	}
	if q.from.IsZero() {
		q.from = q.to.AddDays(1 - days)
	}
}

// cursor is a place in one list: of the store behind a session; of the service behind so
// many, of those behind the last session of the store where it goes on for it. It is of no
// use in another list.
type cursor struct {
	list   [8]byte // of which list
	source source
	after  store.Cursor
	offset int
}

// maxOffset is how deep the service's lists may be paged through.
const maxOffset = 1 << 20

// listID tells the lists of one question from those of others.
func (q *question) listID() (id [8]byte) {
	sum := sha256.Sum256([]byte(strings.Join([]string{q.user, q.from.String(), q.to.String(), q.zone, strconv.Itoa(q.limit)}, "\x00")))
	copy(id[:], sum[:])
	return id
}

func (c cursor) String() string {
	place := c.after.String()
	if c.source == fromUpstream {
		place = strings.TrimSuffix(strconv.Itoa(c.offset)+"."+place, ".")
	}
	return base64.RawURLEncoding.EncodeToString(c.list[:]) + "." + string(c.source[0]) + place
}

// parseReadCursor reads what String wrote; nothing is the beginning.
func parseReadCursor(text string) (c cursor, err error) {
	if text == "" {
		return c, nil
	}
	refusal := badQuery("the cursor is none that this server gave out: begin without one")
	list, place, _ := strings.Cut(text, ".")
	b, err := base64.RawURLEncoding.Strict().DecodeString(list)
	if err != nil || len(b) != len(c.list) || len(place) < 2 || len(text) > 2<<10 {
		return c, refusal
	}
	copy(c.list[:], b)
	switch place[0] {
	case fromStore[0]:
		c.source = fromStore
		c.after, err = store.ParseCursor(place[1:])
	case fromUpstream[0]:
		c.source = fromUpstream
		offset, after, _ := strings.Cut(place[1:], ".")
		if c.after, err = store.ParseCursor(after); err == nil {
			c.offset, err = config.Int(offset, 0, maxOffset)
		}
	}
	if err != nil || c.source == "" || c.String() != text || c.offset == 0 && c.after.IsZero() {
		return cursor{}, refusal
	}
	return c, nil
}
