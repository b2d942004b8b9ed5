package redisconn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// lies announce what go-redis would make room for, or climb down into.
func lies() []string {
	all := []string{
		"*2\r\n$2\r\nab\r\n$99999999999999\r\n", "*1\r\n|1\r\n+a\r\n$99999999999999\r\n", "HTTP/1.1 400 Bad Request\r\n",
		strings.Repeat("*1\r\n", maxDepth+1), strings.Repeat("*2\r\n:1\r\n", maxDepth+1), "+" + strings.Repeat("x", maxLine), "$1x\r\n", "$1\n", "*+5\r\n", "+a\n",
	}
	for _, kind := range "$=!*~>%|" {
		for _, n := range []string{"9223372036854775807", "99999999999999999999", "60000000000", "99999999"} {
			all = append(all, string(kind)+n+"\r\n")
		}
	}
	return all
}

func honest() []string {
	return []string{
		"", "+OK\r\n", "-ERR no\r\n:1\r\n_\r\n,1.5\r\n#t\r\n(123\r\n", "$-1\r\n*-1\r\n$0\r\n\r\n*0\r\n",
		"$5\r\n*9\r\n$\r\n", "=7\r\ntxt:abc\r\n", "!3\r\nERR\r\n", fmt.Sprintf("$%d\r\n%s\r\n", 1<<20, strings.Repeat("$9", 1<<19)),
		"%2\r\n+a\r\n*2\r\n:1\r\n:2\r\n+b\r\n~1\r\n+c\r\n", "|1\r\n+key\r\n:1\r\n*1\r\n|1\r\n+x\r\n+y\r\n:3\r\n", ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n",
		strings.Repeat("*1\r\n", maxDepth) + "+x\r\n" + strings.Repeat("*1\r\n", maxDepth) + "+x\r\n", "*4\r\n*0\r\n%0\r\n$0\r\n\r\n*1\r\n:1\r\n:1\r\n",
	}
}

// pass judges a stream in pieces, and returns what is handed on.
func pass(stream string, size int) (string, error) {
	var w wire
	var passed strings.Builder
	for rest := stream; rest != "" && w.err == nil; {
		piece := rest[:min(size, len(rest))]
		rest = rest[len(piece):]
		passed.WriteString(piece[:w.judge([]byte(piece))])
	}
	return passed.String(), w.err
}

func TestWhatAnAnswerAnnouncesIsBounded(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 2, 3, 7, 1 << 30} {
		for _, stream := range honest() {
			if passed, err := pass(stream, size); err != nil || passed != stream {
				t.Errorf("%.40q in pieces of %d: %.40q, %v", stream, size, passed, err)
			}
		}
		for _, lie := range lies() {
			for _, stream := range []string{lie + "+OK\r\n", "+OK\r\n" + lie + "+OK\r\n", "*2\r\n$2\r\n\r\n\r\n:1\r\n" + lie + "\r\n"} {
				passed, err := pass(stream, size)
				if !errors.Is(err, errWire) {
					t.Errorf("%.40q in pieces of %d is believed: %v", stream, size, err)
				}
				if _, err := pass(passed, 1<<30); err != nil {
					t.Errorf("%.40q in pieces of %d: %.40q is handed on: %v", stream, size, passed, err)
				}
			}
		}
	}
}

func FuzzWhatIsHandedOnAnnouncesNothingTooLarge(f *testing.F) {
	for _, stream := range append(lies(), honest()...) {
		if len(stream) < 1<<12 {
			f.Add(stream, 3)
		}
	}
	f.Fuzz(func(t *testing.T, stream string, size int) {
		whole, refusal := pass(stream, 1<<30)
		pieces, again := pass(stream, max(1, size))
		if fmt.Sprint(refusal) != fmt.Sprint(again) {
			t.Errorf("%q: %v, in pieces of %d %v", stream, refusal, size, again)
		}
		if !strings.HasPrefix(pieces, whole) || !strings.HasPrefix(stream, pieces) {
			t.Errorf("%q becomes %q, and %q", stream, whole, pieces)
		}
		if _, err := pass(pieces, 1<<30); err != nil {
			t.Errorf("%q is handed on: %v", pieces, err)
		}
	})
}

// TestAServerThatLiesEndsNoProgram: each of these would have go-redis make room for
// gigabytes, or panic.
func TestAServerThatLiesEndsNoProgram(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	says := make(chan string, 1)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = conn.Write([]byte(<-says))
			_, _ = conn.Read(make([]byte, 4096)) // until the other end has judged
			_ = conn.Close()
		}
	}()
	for _, lie := range lies() {
		client, err := Open("redis://" + listener.Addr().String() + "?protocol=2&dial_timeout=5s&read_timeout=5s&pool_timeout=5s")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		says <- lie + "+OK\r\n"
		err = Explain(client.MGet(ctx, "a", "b").Err())
		cancel()
		if err == nil || errors.Is(err, redis.Nil) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%.40q: %v", lie, err)
		}
		if errors.Is(err, errWire) && !strings.Contains(err.Error(), "check host and port") {
			t.Errorf("%.40q: %v says not what to do", lie, err)
		}
		_ = client.Close()
	}
}

func BenchmarkWire(b *testing.B) {
	answer := []byte(fmt.Sprintf("*2\r\n$53\r\n%s\r\n$10000\r\n%s\r\n", strings.Repeat("m", 53), strings.Repeat("v", 10_000)))
	b.SetBytes(int64(len(answer)))
	var w wire
	for b.Loop() {
		if w.judge(answer); w.err != nil {
			b.Fatal(w.err)
		}
	}
}
