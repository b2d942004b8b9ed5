package asleeptest

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"strconv"
	"time"
)

// adminPrefix begins the paths that are the fake's own. The service has none
// of them.
const adminPrefix = "/_fake/"

// serveAdmin answers what the package documentation describes under
// administration. Only clients on this machine may use it: it takes no key.
func (s *Server) serveAdmin(w http.ResponseWriter, r *http.Request) {
	if !fromLoopback(r) {
		writeDetail(w, http.StatusForbidden, "the administration answers to clients on the same machine only")
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_fake/faults", s.adminListFaults)
	mux.HandleFunc("POST /_fake/faults", s.adminAddFault)
	mux.HandleFunc("DELETE /_fake/faults", s.adminClearFaults)
	mux.HandleFunc("DELETE /_fake/faults/{id}", s.adminRemoveFault)
	mux.HandleFunc("PUT /_fake/outage", s.adminStartOutage)
	mux.HandleFunc("DELETE /_fake/outage", func(w http.ResponseWriter, _ *http.Request) {
		s.EndOutage()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("PUT /_fake/ratelimit", s.adminSetRateLimit)
	mux.HandleFunc("DELETE /_fake/ratelimit", func(w http.ResponseWriter, _ *http.Request) {
		s.SetRateLimit(RateLimit{})
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /_fake/flaky", s.adminFlaky)
	mux.HandleFunc("GET /_fake/kinds", func(w http.ResponseWriter, _ *http.Request) { writeValue(w, http.StatusOK, Kinds()) })
	mux.HandleFunc("GET /_fake/stats", func(w http.ResponseWriter, _ *http.Request) { writeValue(w, http.StatusOK, s.Stats()) })
	mux.HandleFunc("GET /_fake/violations", func(w http.ResponseWriter, _ *http.Request) { writeValue(w, http.StatusOK, s.Violations()) })
	mux.HandleFunc("GET /_fake/requests", s.adminRequests)
	mux.HandleFunc("POST /_fake/webhooks", s.adminSendEvent)
	mux.HandleFunc("POST /_fake/traffic", s.adminSendTraffic)
	mux.HandleFunc("POST /_fake/reset", func(w http.ResponseWriter, _ *http.Request) {
		s.Reset()
		w.WriteHeader(http.StatusNoContent)
	})
	if _, pattern := mux.Handler(r); pattern == "" {
		writeDetail(w, http.StatusNotFound, fmt.Sprintf("the administration has no %s %s", r.Method, r.URL.Path))
		return
	}
	mux.ServeHTTP(w, r)
}

// fromLoopback reports whether a request comes from this machine: in process,
// over a pipe, or from a loopback address.
func fromLoopback(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return true // not an address of a network
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func writeValue(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		writeDetail(w, http.StatusInternalServerError, err.Error())
		return
	}
	writeJSON(w, status, b)
}

// readValue reads the JSON of a request, or answers 4xx. Other content types
// are refused so that no page in a browser can send one.
func readValue(w http.ResponseWriter, r *http.Request, into any) bool {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		writeDetail(w, http.StatusUnsupportedMediaType, "want a body of content-type application/json")
		return false
	}
	body, err := readBody(r.Body)
	if errors.Is(err, errBodyTooLarge) {
		writeDetail(w, http.StatusRequestEntityTooLarge, err.Error())
		return false
	}
	if err == nil {
		err = decodeStrict(body, into)
	}
	if err != nil {
		writeDetail(w, http.StatusBadRequest, err.Error())
		return false
	}
	return true
}

func (s *Server) adminListFaults(w http.ResponseWriter, _ *http.Request) {
	s.faults.mu.Lock()
	list := make([]faultBody, 0, len(s.faults.list))
	for _, in := range s.faults.list {
		body := in.wire()
		body.ID, body.Met = in.id, in.met
		list = append(list, body)
	}
	s.faults.mu.Unlock()
	writeValue(w, http.StatusOK, list)
}

func (s *Server) adminAddFault(w http.ResponseWriter, r *http.Request) {
	var f Fault
	if !readValue(w, r, &f) {
		return
	}
	id, err := s.inject(f)
	if err != nil {
		writeDetail(w, http.StatusBadRequest, err.Error())
		return
	}
	writeValue(w, http.StatusCreated, map[string]int{"id": id})
}

func (s *Server) adminClearFaults(w http.ResponseWriter, _ *http.Request) {
	s.ClearFaults()
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) adminRemoveFault(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil || !s.faults.remove(id) {
		writeDetail(w, http.StatusNotFound, fmt.Sprintf("no fault has the id %q", r.PathValue("id")))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) adminStartOutage(w http.ResponseWriter, r *http.Request) {
	f := Unavailable()
	if r.ContentLength != 0 && !readValue(w, r, &f) {
		return
	}
	s.StartOutage(f)
	w.WriteHeader(http.StatusNoContent)
}

// limitBody is a RateLimit as JSON.
type limitBody struct {
	Rate       float64        `json:"rate"`
	Burst      int            `json:"burst"`
	Window     duration       `json:"window"`
	Status     int            `json:"status"`
	RetryAfter RetryAfterForm `json:"retry_after"`
}

func (s *Server) adminSetRateLimit(w http.ResponseWriter, r *http.Request) {
	var body limitBody
	if !readValue(w, r, &body) {
		return
	}
	limit := RateLimit{Rate: body.Rate, Burst: body.Burst, Window: time.Duration(body.Window), Status: body.Status, RetryAfter: body.RetryAfter}
	if err := limit.validate(); err != nil {
		writeDetail(w, http.StatusBadRequest, err.Error())
		return
	}
	s.SetRateLimit(limit)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) adminFlaky(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Share float64  `json:"share"`
		Kinds []string `json:"kinds"`
	}
	if !readValue(w, r, &body) {
		return
	}
	if err := checkFlaky(body.Share, body.Kinds); err != nil {
		writeDetail(w, http.StatusBadRequest, err.Error())
		return
	}
	s.Flaky(body.Share, body.Kinds...)
	w.WriteHeader(http.StatusNoContent)
}

// adminRequests answers with the newest requests, or with ?limit= of them.
func (s *Server) adminRequests(w http.ResponseWriter, r *http.Request) {
	list := s.Requests()
	if text := r.URL.Query().Get("limit"); text != "" {
		limit, err := strconv.Atoi(text)
		if err != nil || limit < 0 {
			writeDetail(w, http.StatusBadRequest, fmt.Sprintf("limit %.40q: want a number from 0 up", text))
			return
		}
		list = list[len(list)-min(limit, len(list)):]
	}
	writeValue(w, http.StatusOK, list)
}
