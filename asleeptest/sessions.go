package asleeptest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/internal/api"
)

// Bounds of listSessions, as documented.
const (
	defaultLimit = 20
	maxLimit     = 100
)

// GetSession implements getSession.
func (v *service) GetSession(w http.ResponseWriter, _ *http.Request, sessionID string, params api.GetSessionParams) {
	s, now := v.server(), time.Now()
	z, ok := requestedZone(w, params.Timezone)
	if !ok {
		return
	}
	r, found := s.session(params.XUserID, sessionID, now)
	switch {
	case found && r.hidden(now):
		writeDetail(w, http.StatusNotFound, detailNoSession)
	case found:
		writeJSON(w, http.StatusOK, enveloped("OK", reportSize, func(b []byte) []byte { return appendReport(b, r, now, z) }))
	case !wellFormedUser(params.XUserID) && !s.exists(params.XUserID):
		writeDetail(w, http.StatusBadRequest, detailUserIDFormat)
	case !wellFormedSession(sessionID):
		writeDetail(w, http.StatusBadRequest, fmt.Sprintf(detailSessionIDFormat, sessionID))
	default:
		writeDetail(w, http.StatusNotFound, detailNoSession)
	}
}

// wellFormedSession reports whether a session id has the form of one:
// YYYYMMDDhhmmss, and perhaps a suffix after an underscore.
func wellFormedSession(id string) bool {
	if len(id) < len(idLayout) || len(id) > maxUserID {
		return false
	}
	if _, err := time.Parse(idLayout, id[:len(idLayout)]); err != nil {
		return false
	}
	for i := len(idLayout); i < len(id); i++ {
		if i == len(idLayout) && (id[i] != '_' || len(id) == idSuffixAt) || !wordCharacter(id[i]) {
			return false
		}
	}
	return true
}

// requestedZone returns the zone of the timezone header, or answers 400.
func requestedZone(w http.ResponseWriter, header *string) (*zone, bool) {
	if header == nil {
		return utc, true
	}
	z := loadZone(*header)
	if z == nil {
		writeDetail(w, http.StatusBadRequest, detailTimezone)
	}
	return z, z != nil
}

// ListSessions implements listSessions.
func (v *service) ListSessions(w http.ResponseWriter, _ *http.Request, params api.ListSessionsParams) {
	s, now := v.server(), time.Now()
	z, ok := requestedZone(w, params.Timezone)
	if !ok {
		return
	}
	if problems := checkPage(params); len(problems) > 0 {
		writeValidation(w, problems...)
		return
	}
	if !wellFormedUser(params.XUserID) && !s.exists(params.XUserID) {
		writeDetail(w, http.StatusBadRequest, detailUserIDFormat)
		return
	}
	list := slices.DeleteFunc(s.recordings(params.XUserID, now), func(r *recording) bool {
		date := asleep.DateOf(r.start.In(z.loc))
		return params.DateGte != nil && date.Before(*params.DateGte) || params.DateLte != nil && params.DateLte.Before(date)
	})
	if params.OrderBy != nil && *params.OrderBy == asleep.SortOrderAscending {
		slices.Reverse(list)
	}
	page := s.page(list, params)
	writeJSON(w, http.StatusOK, enveloped("OK", listItemSize*(len(page)+1), func(b []byte) []byte {
		return appendList(b, page, now, z)
	}))
	if len(page) > 0 {
		s.shift(params.XUserID)
	}
}

func checkPage(params api.ListSessionsParams) (problems []validation) {
	bad := func(name, msg, kind string, limit int) {
		problems = append(problems, validation{
			Loc: []string{"query", name}, Msg: msg, Type: "value_error.number." + kind, Ctx: map[string]any{"limit_value": limit},
		})
	}
	if l := params.Limit; l != nil && *l > maxLimit {
		bad("limit", "ensure this value is less than or equal to 100", "not_le", maxLimit)
	}
	if l := params.Limit; l != nil && *l < 0 {
		bad("limit", "ensure this value is greater than or equal to 0", "not_ge", 0)
	}
	if o := params.Offset; o != nil && *o < 0 {
		bad("offset", "ensure this value is greater than or equal to 0", "not_ge", 0)
	}
	if o := params.OrderBy; o != nil && *o != asleep.SortOrderAscending && *o != asleep.SortOrderDescending {
		problems = append(problems, validation{
			Loc: []string{"query", "order_by"}, Msg: "value is not a valid enumeration member; permitted: ASC, DESC", Type: "type_error.enum",
		})
	}
	return problems
}

func (s *Server) page(list []*recording, params api.ListSessionsParams) []*recording {
	offset, limit := 0, defaultLimit
	if params.Offset != nil {
		offset = min(*params.Offset, len(list))
	}
	if params.Limit != nil {
		limit = *params.Limit
	}
	if s.config.PageSize > 0 {
		limit = s.config.PageSize
	}
	return list[offset:min(offset+limit, len(list))]
}

// shift adds a session at the head of a list, as long as [Server.ShiftLists]
// wants it.
func (s *Server) shift(userID string) {
	for n := s.shifts.Load(); n > 0; n = s.shifts.Load() {
		if s.shifts.CompareAndSwap(n, n-1) {
			_, _ = s.AddSession(userID, Session{Kind: Nap}) // fails if the user is gone by now
			return
		}
	}
}

func appendList(b []byte, page []*recording, now time.Time, z *zone) []byte {
	b = append(b, `{"timezone":`...)
	b = appendString(b, z.name)
	b = append(b, `,"sleep_session_list":[`...)
	for i, r := range page {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendListItem(b, r, now, z.loc)
	}
	return append(b, `]}`...)
}

func appendListItem(b []byte, r *recording, now time.Time, loc *time.Location) []byte {
	state := r.state(now)
	b = append(b, `{"session_id":`...)
	b = appendString(b, r.id)
	b = append(b, `,"state":"`...)
	b = append(b, state...)
	b = append(b, `","session_start_time":`...)
	b = appendTime(b, r.start, loc)
	b = append(b, `,"session_end_time":`...)
	b = appendTime(b, r.ended(state), loc)
	b = append(b, `,"created_timezone":`...)
	b = appendString(b, r.zone.name)
	b = append(b, `,"unexpected_end_time":`...)
	b = appendTime(b, r.brokenOff(state), loc)
	b = append(b, `,"last_received_seq_num":`...)
	if seq := r.recorded(now) - 1; seq < 0 {
		b = append(b, "null"...)
	} else {
		b = strconv.AppendInt(b, int64(seq), 10)
	}
	b = append(b, `,"time_in_bed":`...)
	if state == asleep.SessionStateOpen {
		b = append(b, "null"...)
	} else {
		b = strconv.AppendInt(b, int64(r.length/time.Second), 10)
	}
	return append(b, '}')
}

// DeleteSession implements deleteSession.
func (v *service) DeleteSession(w http.ResponseWriter, _ *http.Request, sessionID string, params api.DeleteSessionParams) {
	switch s := v.server(); {
	case s.DeleteSession(params.XUserID, sessionID):
		w.WriteHeader(http.StatusNoContent)
	case !wellFormedUser(params.XUserID) && !s.exists(params.XUserID):
		writeDetail(w, http.StatusUnauthorized, detailXUserIDInvalid)
	default:
		writeDetail(w, http.StatusNotFound, detailNoSession)
	}
}

// DeleteAllSessions implements deleteAllSessions.
func (v *service) DeleteAllSessions(w http.ResponseWriter, _ *http.Request, params api.DeleteAllSessionsParams) {
	switch s := v.server(); {
	case s.DeleteAllSessions(params.XUserID):
		w.WriteHeader(http.StatusNoContent)
	case !wellFormedUser(params.XUserID):
		writeDetail(w, http.StatusUnauthorized, detailXUserIDInvalid)
	default:
		writeDetail(w, http.StatusNotFound, detailNoUser)
	}
}

// rejectParameter answers for a parameter that the generated binding could not
// read.
func rejectParameter(w http.ResponseWriter, _ *http.Request, err error) {
	v := validation{Loc: []string{"query"}, Msg: err.Error(), Type: "type_error"}
	var required *api.RequiredParamError
	var format *api.InvalidParamFormatError
	switch {
	case errors.As(err, &required):
		v = validation{Loc: []string{"query", required.ParamName}, Msg: "field required", Type: "value_error.missing"}
	case errors.As(err, &format):
		v.Loc = append(v.Loc, format.ParamName)
		v.Msg = "value is not a valid " + expected(format.ParamName)
	}
	writeValidation(w, v)
}

func expected(param string) string {
	switch param {
	case "offset", "limit":
		return "integer"
	case "date_gte", "date_lte", "start_date", "end_date":
		return "date"
	}
	return "value"
}
