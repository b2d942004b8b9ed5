package config_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/internal/config"
)

func TestCachingIsOnAndSharedWithNobodyByDefault(t *testing.T) {
	t.Parallel()
	r := config.NewReader()
	c := config.ReadCaching(r)
	if !c.Enabled || c.TTL != 5*time.Minute || !c.Redis.IsZero() || c.Keys != nil || r.Err() != nil {
		t.Errorf("%+v, %v", c, r.Err())
	}
}

func TestCachingIsReadAndItsPasswordNotListed(t *testing.T) {
	t.Parallel()
	keys := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32))
	r := config.NewReader(source("environment", "REDIS_URL=rediss://me:hunter2@cache:6379", "ENABLE_CACHING=no", "CACHE_TTL_SECONDS=90", "ENCRYPTION_KEYS="+keys))
	config.ReadDatabase(r)
	c := config.ReadCaching(r)
	if c.Enabled || c.TTL != 90*time.Second || c.Redis.Reveal() != "rediss://me:hunter2@cache:6379" || c.Keys == nil || r.Err() != nil {
		t.Errorf("%+v, %v", c, r.Err())
	}
	if text := fmt.Sprintf("%+v %+v", c, r.Values()); strings.Contains(text, "hunter2") || strings.Contains(text, keys) {
		t.Errorf("told: %s", text)
	}
	listed := 0
	for _, v := range r.Values() {
		if v.Name == "ENCRYPTION_KEYS" {
			listed++
		}
		if v.Name == "REDIS_URL" && v.Text != "rediss://me:xxxxx@cache:6379" {
			t.Errorf("listed as %q", v.Text)
		}
	}
	if listed != 1 {
		t.Errorf("the keys are listed %d times", listed)
	}
}

func TestWrongCachingIsReportedTogether(t *testing.T) {
	t.Parallel()
	r := config.NewReader(source("environment", "ENABLE_CACHING=maybe", "CACHE_TTL_SECONDS=-1", "ENCRYPTION_KEYS=hunter2", "REDIS_URL=redis://a", "REDIS_URL_FILE=b"))
	config.ReadCaching(r)
	for _, want := range []string{`ENABLE_CACHING "maybe"`, `CACHE_TTL_SECONDS "-1"`, "ENCRYPTION_KEYS is not accepted", "REDIS_URL_FILE is set beside"} {
		if text := r.Err().Error(); !strings.Contains(text, want) || strings.Contains(text, "hunter2") {
			t.Errorf("%s\nwant %q", text, want)
		}
	}
}
