package server_test

import (
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/server"
	"github.com/asleep-sdk/asleep/store/memory"
)

func TestACheckThatCannotBeAskedIsRefused(t *testing.T) {
	t.Parallel()
	cfg := server.DefaultConfig()
	cfg.Upstream.APIKey, cfg.Webhooks.Enabled = server.NewSecret("key"), false
	_, err := server.New(cfg, memory.New(), nil, server.WithCheck(server.Check{Name: "mine"}))
	if err == nil || !strings.Contains(err.Error(), `the check "mine" lacks a Name or Ask: give both`) {
		t.Errorf("%v", err)
	}
}
