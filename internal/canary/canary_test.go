package canary_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/internal/canary"
)

func TestAnySpellingOfKeyAndUserIsFound(t *testing.T) {
	t.Parallel()
	type dump struct{ Key []byte }
	for _, secret := range []string{canary.Key, canary.User} {
		encoded, err := json.Marshal(map[string]any{"s": secret, "b": []byte(secret)})
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{
			"plain":     "x=" + secret,
			"hex":       fmt.Sprintf("%x", secret),
			"HEX":       fmt.Sprintf("%X", secret),
			"bytes":     fmt.Sprintf("%+v", dump{[]byte(secret)}),
			"in a path": "/users/" + url.PathEscape(secret) + "?x",
			"JSON":      string(encoded),
			"base64":    base64.StdEncoding.EncodeToString([]byte("ab:" + secret)),
			"base64url": base64.URLEncoding.EncodeToString([]byte("a:" + secret)),
		} {
			leaks := canary.Find(name, "fine\n"+text+"\nfine")
			if len(leaks) != 1 || leaks[0].Line != text {
				t.Errorf("%s: found %v in %s", name, leaks, text)
			}
			if strings.Contains(canary.Mask(text), secret) {
				t.Errorf("%s: masked as %s", name, canary.Mask(text))
			}
		}
	}
	for _, harmless := range []string{"", "user:5f1c0a92e4b7", "sk-live-other", "/ai/v1/users/{user_id}", "user-1", "xuser-00012"} {
		if leaks := canary.Find("harmless", harmless); leaks != nil {
			t.Errorf("%q is taken for %v", harmless, leaks)
		}
	}
}

func TestWhereUsersAreAskedForTheyMayBeNamedButNeverTheKey(t *testing.T) {
	t.Parallel()
	asked := regexp.MustCompile(`^Delete user "`)
	if leaks := canary.Find("prompt", `Delete user "user-0001"? [y/N]`+"\n"+`Delete user "`+canary.User+`"?`, asked); leaks != nil {
		t.Errorf("%v", leaks)
	}
	if leaks := canary.Find("prompt", `Delete user "`+canary.Key+`"?`, asked); len(leaks) != 1 {
		t.Errorf("%v", leaks)
	}
	if leaks := canary.Find("log", `level=INFO user=user-0001`, asked); len(leaks) != 1 {
		t.Errorf("%v", leaks)
	}
}
