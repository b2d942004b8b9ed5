package envelope_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/store/internal/envelope"
)

// report has the size and the disorder of a usual one: three series of a night
// whose stages last as long as chance has it, and figures.
func report(die *rand.Rand) string {
	var b strings.Builder
	b.WriteString(`{"timezone":"Asia/Seoul","session":{"id":"20260314135107_k7q2m","state":"COMPLETE"`)
	for _, name := range []string{"sleep_stages", "breath_stages", "snoring_stages"} {
		fmt.Fprintf(&b, `,%q:[`, name)
		stage := 0
		for range 960 {
			if die.IntN(12) == 0 {
				stage = die.IntN(4)
			}
			fmt.Fprintf(&b, "%d,", stage)
		}
		b.WriteString(`0]`)
	}
	b.WriteString(`},"stat":{`)
	for i := range 30 {
		fmt.Fprintf(&b, `"time_in_figure_%d":%d,`, i, die.IntN(30_000))
	}
	b.WriteString(`"sleep_cycle":5400}}`)
	return b.String()
}

func BenchmarkSeal(b *testing.B) {
	die := rand.New(rand.NewPCG(1, 2))
	night := report(die)
	for _, n := range []int{len(night), 2881, 1024} {
		text := []byte(night[:n])
		if n == 2881 {
			text = []byte(night[400:][:n])
		}
		b.Run(fmt.Sprint(n, " bytes"), func(b *testing.B) {
			b.ReportAllocs()
			var stored []byte
			for b.Loop() {
				stored, _ = envelope.Codec{}.Seal("c", "id", text)
			}
			b.ReportMetric(float64(len(stored)), "stored-B")
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	stored, err := envelope.Codec{}.Seal("c", "id", []byte(report(rand.New(rand.NewPCG(1, 2)))))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (envelope.Codec{}).Open("c", "id", stored); err != nil {
			b.Fatal(err)
		}
	}
}
