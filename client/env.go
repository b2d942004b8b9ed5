package client

// The environment variables that [NewFromEnv] reads.
const (
	EnvAPIKey         = "ASLEEP_API_KEY"      // the key itself
	EnvAPIKeyFile     = "ASLEEP_API_KEY_FILE" // or a file that holds it
	EnvBaseURL        = "ASLEEP_BASE_URL"     // as WithBaseURL
	EnvMaxConnections = "MAX_CONNECTIONS"     // as Pool.MaxConnections, 1 or more
	EnvRequestTimeout = "REQUEST_TIMEOUT"     // as Timeouts.Attempt: seconds, or a duration such as 1m30s
)

// NewFromEnv makes a client of the environment: ASLEEP_API_KEY or
// ASLEEP_API_KEY_FILE (one of them, required), ASLEEP_BASE_URL, MAX_CONNECTIONS,
// REQUEST_TIMEOUT. Unset and empty variables leave the default. Options
// given here win. All problems of variables and options are reported at once, as
// by [New].
func NewFromEnv(opts ...Option) (*Client, error) {
	panic("client: not built yet")
}
