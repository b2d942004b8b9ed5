package client_test

import (
	"math"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep"
)

func TestMetadataIsCheckedAgainstTheDocumentedRanges(t *testing.T) {
	t.Parallel()
	whole, measure := func(v asleep.Int) *asleep.Int { return &v }, func(v float64) *float64 { return &v }
	for want, m := range map[string]asleep.UserMetadata{
		"birth_year: is 1899: give 1900 to 9999":      {BirthYear: whole(1899)},
		"birth_month: is 13: give 1 to 12":            {BirthMonth: whole(13)},
		"birth_day: is 0: give 1 to 31":               {BirthDay: whole(0)},
		"birth date: 2001-02-29 does not exist":       {BirthYear: whole(2001), BirthMonth: whole(2), BirthDay: whole(29)},
		"height: is 300.5: give 0 to 300 cm":          {Height: measure(300.5)},
		"height: is -1: give 0 to 300 cm":             {Height: measure(-1)},
		"weight: is NaN: give 0 to 1000 kg":           {Weight: measure(math.NaN())},
		"weight: is +Inf: give 0 to 1000 kg":          {Weight: measure(math.Inf(1))},
		"birth_day: is 32: give 1 to 31, or leave it": {BirthYear: whole(2001), BirthMonth: whole(1), BirthDay: whole(32)},
	} {
		_, err := offline(t).CreateUser(t.Context(), &m)
		wantSentinels(t, err, "invalid")
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	c, _ := answering(t, 201, `{"result":{"user_id":"u"}}`)
	for _, m := range []asleep.UserMetadata{
		{},
		{Height: measure(0), Weight: measure(1000)},
		{Height: measure(300)},
		{Gender: "a new one"},
		{BirthYear: whole(2000), BirthMonth: whole(2), BirthDay: whole(29)},
		{BirthMonth: whole(2), BirthDay: whole(30)},
	} {
		if _, err := c.CreateUser(t.Context(), &m); err != nil {
			t.Error(err)
		}
	}
}
