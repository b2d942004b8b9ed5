package asleeptest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/internal/api"
)

// service is the Server as the generated interface sees it: the compiler tells
// when an operation of openapi.yaml has no answer here.
type service Server

var _ api.ServerInterface = (*service)(nil)

func (v *service) server() *Server { return (*Server)(v) }

// CreateUser implements createUser.
func (v *service) CreateUser(w http.ResponseWriter, r *http.Request) {
	s := v.server()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		writeDetail(w, http.StatusBadRequest, "the body cannot be read")
		return
	}
	metadata, problems := parseMetadata(body)
	if len(problems) > 0 {
		writeValidation(w, problems...)
		return
	}
	id := s.AddUser(User{Metadata: metadata})
	writeJSON(w, http.StatusCreated, enveloped("success", 80, func(b []byte) []byte {
		return append(appendString(append(b, `{"user_id":`...), id), '}')
	}))
}

// parseMetadata reads the optional body of createUser.
func parseMetadata(body []byte) (*asleep.UserMetadata, []validation) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, nil
	}
	invalid := func(msg string) []validation {
		return []validation{{Loc: []string{"body"}, Msg: msg, Type: "value_error.jsondecode"}}
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	var request *asleep.CreateUserRequest
	if err := dec.Decode(&request); err != nil {
		return nil, invalid(err.Error())
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, invalid("more than one JSON value")
	}
	if request == nil || request.Metadata == nil {
		return nil, nil
	}
	return request.Metadata, checkMetadata(request.Metadata)
}

func checkMetadata(m *asleep.UserMetadata) (problems []validation) {
	check := func(name string, value *float64, low, high float64) {
		if value == nil || (*value >= low && *value <= high) {
			return
		}
		problems = append(problems, validation{
			Loc: []string{"body", "metadata", name}, Type: "value_error.number",
			Msg: "ensure this value is from " + strconv.FormatFloat(low, 'f', -1, 64) + " to " + strconv.FormatFloat(high, 'f', -1, 64),
		})
	}
	const endOfTime = 9999
	check("birth_year", toFloat(m.BirthYear), 1900, endOfTime)
	check("birth_month", toFloat(m.BirthMonth), 1, 12)
	check("birth_day", toFloat(m.BirthDay), 1, 31)
	check("height", m.Height, 0, 300)
	check("weight", m.Weight, 0, 1000)
	switch m.Gender {
	case "", asleep.GenderFemale, asleep.GenderMale, asleep.GenderNonBinary, asleep.GenderOther, asleep.GenderPreferNotToSay:
	default:
		problems = append(problems, validation{
			Loc: []string{"body", "metadata", "gender"}, Type: "type_error.enum",
			Msg: "value is not a valid enumeration member; permitted: female, male, non_binary, other, prefer_not_to_say",
		})
	}
	return problems
}

func toFloat(v *asleep.Int) *float64 {
	if v == nil {
		return nil
	}
	f := float64(*v)
	return &f
}

// GetUser implements getUser.
func (v *service) GetUser(w http.ResponseWriter, _ *http.Request, userID string) {
	s, now := v.server(), time.Now()
	u, ok := s.User(userID)
	if !ok {
		writeDetail(w, http.StatusNotFound, detailNoUser)
		return
	}
	last := s.newest(userID, now)
	writeJSON(w, http.StatusOK, enveloped("success", 600, func(b []byte) []byte {
		return appendUser(b, u, last, now)
	}))
}

// DeleteUser implements deleteUser.
func (v *service) DeleteUser(w http.ResponseWriter, _ *http.Request, userID string) {
	switch s := v.server(); {
	case s.DeleteUser(userID):
		w.WriteHeader(http.StatusNoContent)
	case !wellFormedUser(userID):
		writeDetail(w, http.StatusUnauthorized, detailUserIDInvalid)
	default:
		writeDetail(w, http.StatusNotFound, detailNoUser)
	}
}

const maxUserID = 128

// wellFormedUser reports whether a user id has the form of one. What the
// service demands is not documented: letters, digits and -_.@:+ up to 128 of
// them stand for it. Users that were added may have any id.
func wellFormedUser(id string) bool {
	if id == "" || len(id) > maxUserID {
		return false
	}
	for i := range len(id) {
		if !wordCharacter(id[i]) && (i == 0 || !isOneOf(id[i], "-.@:+")) {
			return false
		}
	}
	return true
}

func wordCharacter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
}

func isOneOf(c byte, set string) bool { return bytes.IndexByte([]byte(set), c) >= 0 }

// newest returns the newest session of a user, or nil.
func (s *Server) newest(userID string, now time.Time) *recording {
	if list := s.recordings(userID, now); len(list) > 0 {
		return list[0]
	}
	return nil
}

func appendUser(b []byte, u User, last *recording, now time.Time) []byte {
	b = append(b, `{"user_id":`...)
	b = appendString(b, u.ID)
	b = append(b, `,"to_be_deleted":`...)
	b = strconv.AppendBool(b, u.ToBeDeleted)
	b = append(b, `,"last_session_info":`...)
	b = appendLastSession(b, last, now)
	b = append(b, `,"metadata":`...)
	m, err := json.Marshal(u.Metadata)
	if err != nil { // a number that is none: AddUser was given one
		m = []byte("null")
	}
	b = append(b, m...)
	return append(b, '}')
}

// appendLastSession appends the newest session with timestamps that name no
// zone: they are UTC.
func appendLastSession(b []byte, r *recording, now time.Time) []byte {
	if r == nil {
		return append(b, "null"...)
	}
	state := r.state(now)
	zoneless := func(t time.Time) {
		if t.IsZero() {
			b = append(b, "null"...)
			return
		}
		b = append(b, '"')
		b = t.UTC().AppendFormat(b, zonelessLayout)
		b = append(b, '"')
	}
	var complete time.Time
	if state == asleep.SessionStateComplete {
		complete = r.complete
	}
	b = append(b, `{"session_id":`...)
	b = appendString(b, r.id)
	b = append(b, `,"inference_type":"MELSPECTROGRAM","service":"NOSERVICE","start_time":`...)
	zoneless(r.start)
	b = append(b, `,"end_time":`...)
	zoneless(r.ended(state))
	b = append(b, `,"state":"`...)
	b = append(b, state...)
	b = append(b, `","complete_time":`...)
	zoneless(complete)
	return append(b, '}')
}
