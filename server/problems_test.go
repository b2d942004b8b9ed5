package server_test

import (
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/server"
	"github.com/asleep-sdk/asleep/store/memory"
)

func TestAServiceOfNothingIsRefusedInWords(t *testing.T) {
	t.Parallel()
	if _, err := server.New(server.Config{}, nil, nil); err == nil || !strings.Contains(err.Error(), "no store: open one with store.Open") {
		t.Errorf("%v", err)
	}
}

func TestNewTellsAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	cfg := server.DefaultConfig()
	cfg.Upstream.BaseURL = "http://example.com"
	cfg.Webhooks.Auth = "none"
	cfg.Notify.URL = "http://example.com/nights"
	cfg.Limits.Sessions = -1
	_, err := server.New(cfg, memory.New(), server.WithCheck(server.Check{Name: "mine"}))
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		`the check "mine" lacks a Name or Ask: give both`,
		"API key: missing", "base URL: ",
		`Webhooks.Auth is "none": give signature or key`,
		"example.com", "use https",
		"the limit of sessions: limits: -1 requests",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %q in it", err, want)
		}
	}
}
