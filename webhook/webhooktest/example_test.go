package webhooktest_test

import (
	"net/http"
	"testing"

	"github.com/asleep-sdk/asleep/webhook/webhooktest"
)

// A receiver in any language is judged by its URL: give that in place of Handler.
func ExampleRun() {
	var receiver http.Handler // one's own
	_ = func(t *testing.T) {  // TestReceiver of its package
		webhooktest.Run(t, webhooktest.Target{Handler: receiver, Key: "key", Secret: "secret"})
	}
}
