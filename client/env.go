package client

import (
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
)

// The environment variables that [NewFromEnv] reads.
const (
	// EnvAPIKey holds the API key.
	EnvAPIKey = "ASLEEP_API_KEY" //nolint:gosec // a name, not a key
	// EnvAPIKeyFile names a file that holds the API key, and a line break at most.
	EnvAPIKeyFile = "ASLEEP_API_KEY_FILE" //nolint:gosec // a name, not a key
	// EnvBaseURL is as [WithBaseURL].
	EnvBaseURL = "ASLEEP_BASE_URL"
	// EnvMaxConnections is as [Pool].MaxConnections: a whole number of 1 or more.
	EnvMaxConnections = "MAX_CONNECTIONS"
	// EnvRequestTimeout is as [Timeouts].Attempt: seconds such as 30, or a
	// duration such as 1m30s. The whole call keeps its own timeout. Unset, the
	// timeouts are [DefaultTimeouts]; the command asleep takes 30 s then.
	EnvRequestTimeout = "REQUEST_TIMEOUT"
	// EnvBreakerFailures is as [Breaker].Failures, with twice as many for a busy
	// client: a whole number of 1 or more; unset, 5.
	EnvBreakerFailures = "CIRCUIT_BREAKER_FAILURE_THRESHOLD"
	// EnvBreakerReset is as [Breaker].OpenFor: seconds or a duration; unset, 60 s.
	EnvBreakerReset = "CIRCUIT_BREAKER_RESET_TIMEOUT"
)

// NewFromEnv makes a client of the environment: ASLEEP_API_KEY or
// ASLEEP_API_KEY_FILE (exactly one of them), ASLEEP_BASE_URL, MAX_CONNECTIONS,
// REQUEST_TIMEOUT, CIRCUIT_BREAKER_FAILURE_THRESHOLD, CIRCUIT_BREAKER_RESET_TIMEOUT.
// Variables that are unset or empty leave the default. Options given here win over
// variables. All problems of variables and options are
// reported at once, as by [New].
func NewFromEnv(opts ...Option) (*Client, error) {
	s := newSettings("")
	s.readKey()
	s.baseURL = os.Getenv(EnvBaseURL)
	s.number(EnvMaxConnections, "connections", func(n int) { s.pool.MaxConnections = n })
	s.time(EnvRequestTimeout, func(d time.Duration) { s.timeouts.Attempt, s.timeouts.Delete = d, 0 })
	s.number(EnvBreakerFailures, "failures", func(n int) { s.breaker.Failures, s.breaker.BusyFailures = n, 0 })
	s.time(EnvBreakerReset, func(d time.Duration) { s.breaker.OpenFor = d })
	s.apply(opts)
	return s.client()
}

// number reads a variable that holds a whole number of 1 or more, if it is set.
func (s *settings) number(name, of string, set func(int)) {
	text := os.Getenv(name)
	if text == "" {
		return
	}
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 1 || n > math.MaxInt32 {
		s.problem(name, "%q is not a number of %s: give a whole number of 1 or more", clip(text, 40), of)
		return
	}
	set(n)
}

// time reads a variable that holds a positive time, if it is set.
func (s *settings) time(name string, set func(time.Duration)) {
	text := os.Getenv(name)
	if text == "" {
		return
	}
	d, ok := seconds(strings.TrimSpace(text))
	if !ok {
		s.problem(name, "%q is not a positive time: give seconds such as 30, or a duration such as 1m30s", clip(text, 40))
		return
	}
	set(d)
}

// readKey takes the key from its variable or from the file that is named.
func (s *settings) readKey() {
	key, file := os.Getenv(EnvAPIKey), os.Getenv(EnvAPIKeyFile)
	s.apiKey, s.keySource = func() string { return key }, EnvAPIKey
	switch {
	case key != "" && file != "":
		s.problem(EnvAPIKeyFile, "is set beside %s: unset one of them", EnvAPIKey)
	case file != "":
		s.keySource = EnvAPIKeyFile
		text, err := readLine(file)
		if err != nil {
			s.problem(EnvAPIKeyFile, "%v: name a readable file that holds the key", err)
			s.keySource = "" // nothing more to say about the key
			return
		}
		s.apiKey = func() string { return text }
	}
}

// maxKeyFile bounds what is read of a file that should hold a key.
const maxKeyFile = 4 << 10

// readLine returns what a file holds, without the line break at its end.
func readLine(path string) (string, error) {
	f, err := os.Open(path) //nolint:gosec // whoever sets the environment chooses the file
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxKeyFile {
		return "", fmt.Errorf("%s has more than %d bytes", path, maxKeyFile)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	return text, nil
}

// seconds reads a positive time: a number is seconds.
func seconds(text string) (time.Duration, bool) {
	d, err := time.ParseDuration(text)
	if err != nil {
		d, err = time.ParseDuration(text + "s")
	}
	return d, err == nil && d > 0
}
