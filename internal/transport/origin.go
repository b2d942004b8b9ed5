package transport

import (
	"net/http"
	"net/url"
	"strings"
)

// origin is a scheme, host and port in canonical form.
type origin struct{ scheme, host, port string }

func originOf(u *url.URL) origin {
	if u == nil {
		return origin{}
	}
	o := origin{scheme: strings.ToLower(u.Scheme), host: strings.ToLower(u.Hostname()), port: u.Port()}
	if o.port == "" {
		switch o.scheme {
		case "https":
			o.port = "443"
		case "http":
			o.port = "80"
		}
	}
	return o
}

// serves reports whether u lies on the origin. The zero origin serves nothing.
func (o origin) serves(u *url.URL) bool {
	return o != origin{} && u != nil && originOf(u) == o
}

// routeOf names a request in errors: the call's template, else only the host, as
// the path may hold user ids.
func routeOf(call *Call, req *http.Request) string {
	if call.Route != "" || req.URL == nil {
		return call.Route
	}
	return req.URL.Host
}
