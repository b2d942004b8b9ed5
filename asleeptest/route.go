package asleeptest

import (
	"net/http"
	"net/url"
	"strings"
)

// The operations of the service, as [Fault.Op] and [Request.Op] name them.
const (
	CreateUser        = "createUser"
	GetUser           = "getUser"
	DeleteUser        = "deleteUser"
	GetSession        = "getSession"
	ListSessions      = "listSessions"
	DeleteSession     = "deleteSession"
	DeleteAllSessions = "deleteAllSessions"
	GetAverageStats   = "getAverageStats"
)

// operation is what the server knows of one operation beside how to answer it.
type operation struct {
	name   string
	method string
	route  string // template; {} is one segment
	param  string // name of the path parameter, if any

	query    []string // parameters it takes
	user     bool     // takes x-user-id, and needs it
	timezone bool     // takes timezone
	body     bool     // may have a body
}

var operations = []*operation{
	{name: CreateUser, method: http.MethodPost, route: "/ai/v1/users", body: true},
	{name: GetUser, method: http.MethodGet, route: "/ai/v1/users/{user_id}", param: "user_id"},
	{name: DeleteUser, method: http.MethodDelete, route: "/ai/v1/users/{user_id}", param: "user_id"},
	{name: GetSession, method: http.MethodGet, route: "/data/v3/sessions/{session_id}", param: "session_id", user: true, timezone: true},
	{
		name: ListSessions, method: http.MethodGet, route: "/data/v1/sessions", user: true, timezone: true,
		query: []string{"date_gte", "date_lte", "order_by", "offset", "limit"},
	},
	{name: DeleteSession, method: http.MethodDelete, route: "/ai/v1/sessions/{session_id}", param: "session_id", user: true},
	{name: DeleteAllSessions, method: http.MethodDelete, route: "/ai/v1/sessions", user: true},
	{
		name: GetAverageStats, method: http.MethodGet, route: "/data/v1/users/{user_id}/average-stats", param: "user_id", timezone: true,
		query: []string{"start_date", "end_date"},
	},
}

// Operations returns the names of all operations.
func Operations() []string {
	names := make([]string, len(operations))
	for i, op := range operations {
		names[i] = op.name
	}
	return names
}

// match finds the operation of a request and the unescaped value of its path
// parameter. Without an operation, known tells whether another method would
// have found one at this path.
func match(method string, u *url.URL) (op *operation, value string, known bool) {
	path := u.EscapedPath()
	if method == http.MethodDelete && path == "/ai/v1/sessions/" {
		// What an empty session id makes of deleteSession.
		path = "/ai/v1/sessions"
	}
	for _, o := range operations {
		v, ok := o.matchPath(path)
		if !ok {
			continue
		}
		if o.method == method {
			return o, v, true
		}
		known = true
	}
	return nil, "", known
}

// matchPath compares an escaped path with the route, so that an id may hold an
// escaped slash.
func (o *operation) matchPath(path string) (value string, ok bool) {
	before, after, found := strings.Cut(o.route, "{"+o.param+"}")
	if o.param == "" || !found {
		return "", path == o.route
	}
	rest, ok := strings.CutPrefix(path, before)
	if !ok {
		return "", false
	}
	rest, ok = strings.CutSuffix(rest, after)
	if !ok || rest == "" || rest == "." || rest == ".." || strings.Contains(rest, "/") {
		return "", false // dots are no id: they change the path
	}
	value, err := url.PathUnescape(rest)
	return value, err == nil
}
