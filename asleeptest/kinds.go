package asleeptest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// kinds are the faults that have a name. Those that begin with a number are
// the answers that the service and its gateway are known to give.
var kinds = named(map[string]Fault{
	"200_detail_without_result": {Status: 200, Body: `{"detail":"OK"}`},
	"200_result_null":           {Status: 200, Body: `{"detail":"OK","result":null}`},

	"400_invalid_session_id_format": {Status: 400, Body: `{"detail":"The format of sleep session id (abc) is invalid"}`},
	"400_invalid_timezone":          {Status: 400, Body: `{"detail":"The invalid timezone is provided"}`},
	"400_invalid_timezone_skill":    {Status: 400, Body: `{"detail":"Invalid timezone format"}`},
	"400_invalid_user_id_format":    {Status: 400, Body: `{"detail":"The format of x-user-id is invalid"}`},
	"400_period_too_long":           {Status: 400, Body: `{"detail":"The period should be less than or equal to 100 days"}`},
	"401_invalid_user_id_legacy":    {Status: 401, Body: `{"detail":"invalid user id"}`},
	"401_unauthorized":              {Status: 401, Body: `{"detail":"Unauthorized"}`},
	"401_user_id_invalid":           {Status: 401, Body: `{"detail":"user_id is invalid"}`},
	"401_x_user_id_invalid":         {Status: 401, Body: `{"detail":"x-user-id is invalid"}`},
	"403_gateway_message":           {Status: 403, Body: `{"message":"Forbidden"}`},
	"403_plan_expired":              {Status: 403, Body: `{"detail":"Plan is expired"}`},
	"403_quota_exceeded":            {Status: 403, Body: `{"detail":"Quota exceeded"}`},
	"403_rate_limit":                {Status: 403, Body: `{"detail":"Rate limit exceeded"}`},
	"403_token_invalid":             {Status: 403, Body: `{"detail":"token invalid"}`},
	"404_average_stats_user":        {Status: 404, Body: `{"detail":"Unable to find the user of id G-20260302081522-Qm4xTz9LbVr2KdHs7WpN"}`},
	"404_session":                   {Status: 404, Body: `{"detail":"session does not exist"}`},
	"404_session_skill":             {Status: 404, Body: `{"detail":"Session not found"}`},
	"404_user":                      {Status: 404, Body: `{"detail":"user does not exist"}`},
	"404_user_delete_legacy":        {Status: 404, Body: `{"detail":"user requested was not found"}`},
	"404_user_legacy":               {Status: 404, Body: `{"detail":"user not exist"}`},
	"409_previous_session_open":     {Status: 409, Body: `{"detail":"The previous sleep session is not closed yet"}`},
	"422_string":                    {Status: 422, Body: `{"detail":"Unprocessable Entity"}`},
	"422_validation_list": {Status: 422, Body: `{"detail":[{"loc":["query","limit"],"msg":"ensure this value is less than or equal to 100",` +
		`"type":"value_error.number.not_le","ctx":{"limit_value":100}}]}`},
	"429_gateway_message": {Status: 429, Body: `{"message":"Too Many Requests"}`},
	"500":                 {Status: 500, Body: `{"detail":"internal server error"}`},
	"502": {Status: 502, Body: "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n" +
		"<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n"},
	"503_empty": {Status: 503},

	"408":     {Status: 408},
	"504":     {Status: 504, Body: `{"message":"Endpoint request timed out"}`},
	"garbage": {Status: 200, Body: `{"detail":"OK","result":{"timezone":`},

	"reset_before":      {Reset: ResetBefore},
	"reset_after":       {Reset: ResetAfter},
	"truncated":         {Cut: CutLength},
	"truncated_chunked": {Cut: CutChunked},
	"slow_body":         {Drip: 500 * time.Millisecond},
	"latency":           {Latency: 100 * time.Millisecond},
	"hang":              {Hang: true},
})

func named(m map[string]Fault) map[string]*Fault {
	out := make(map[string]*Fault, len(m))
	for name, f := range m {
		f.Name = name
		out[name] = &f
	}
	return out
}

// Kinds returns the names that [Kind] knows, sorted.
func Kinds() []string { return slices.Sorted(maps.Keys(kinds)) }

// Kind returns the fault of a name: an answer that is known from the service,
// such as 403_quota_exceeded or 502, or a way to break one, such as
// reset_after or truncated.
func Kind(name string) (Fault, error) {
	f, ok := kinds[name]
	if !ok {
		return Fault{}, fmt.Errorf("asleeptest: no fault is called %q: want one of %s", name, strings.Join(Kinds(), ", "))
	}
	return *f, nil
}

// RateLimited answers 403 "Rate limit exceeded": slow down and try again.
func RateLimited() Fault { return *kinds["403_rate_limit"] }

// QuotaExceeded answers 403 "Quota exceeded": no further call will do.
func QuotaExceeded() Fault { return *kinds["403_quota_exceeded"] }

// PlanExpired answers 403 "Plan is expired": no further call will do.
func PlanExpired() Fault { return *kinds["403_plan_expired"] }

// TokenInvalid answers 403 "token invalid".
func TokenInvalid() Fault { return *kinds["403_token_invalid"] }

// Forbidden answers 403 as the gateway does, with a message and no detail.
func Forbidden() Fault { return *kinds["403_gateway_message"] }

// TooManyRequests answers 429 as the gateway does.
func TooManyRequests() Fault { return *kinds["429_gateway_message"] }

// Unavailable answers 503 without a body.
func Unavailable() Fault { return *kinds["503_empty"] }

// BadGateway answers 502 with a page of HTML.
func BadGateway() Fault { return *kinds["502"] }

// ServerError answers 500.
func ServerError() Fault { return *kinds["500"] }

// Slow delays the answer by d.
func Slow(d time.Duration) Fault { return Fault{Name: "latency", Latency: d} }

// flakyKinds are what a service does on a bad day and a client gets over by
// trying again; contract section 4 has the list. Answers that cannot be told
// from a permanent failure are not among them, nor is a hang.
var flakyKinds = []string{
	"500", "502", "503_empty", "504", "408", "403_rate_limit", "429_gateway_message",
	"reset_before", "reset_after", "truncated", "truncated_chunked", "slow_body", "latency",
}

// FlakyKinds returns the names of the faults that [Server.Flaky] draws from by
// default.
func FlakyKinds() []string { return slices.Clone(flakyKinds) }
