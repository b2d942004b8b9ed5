package client

import "net/http"

type settings struct {
	apiKey          string
	baseURL         string
	httpClient      *http.Client
	httpClientGiven bool
	retry           Retry
	timeouts        Timeouts
	timeoutsGiven   bool
	pool            Pool
	poolGiven       bool
	userAgent       string
	timezone        string
	maxBody         int64
	problems        []error
}

func newSettings(apiKey string) *settings {
	return &settings{apiKey: apiKey, retry: DefaultRetry(), timeouts: DefaultTimeouts()}
}

func (s *settings) apply(opts []Option) {
	for _, opt := range opts {
		if opt != nil {
			opt(s)
		}
	}
}

func (s *settings) client() (*Client, error) { panic("client: not built yet") }

type redactor struct{}
type zones struct{}
