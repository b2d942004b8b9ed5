package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asleep-sdk/asleep/webhook"
)

// benchSecret signs the deliveries.
const benchSecret = "a secret of the bench, 32 bytes."

// deliveries are so many signed requests as bytes, each of another session, made
// before the clock starts: what is measured is to be the receiver.
func deliveries(n int) ([][]byte, error) {
	sender := webhook.Sender{Key: benchKey, Secret: benchSecret}
	list := make([][]byte, n)
	for i := range list {
		body := deliveryBody(i)
		header, err := sender.Header(body)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		b.WriteString("POST /asleep-webhook HTTP/1.1\r\nHost: bench\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n")
		if header.Get("Content-Type") == "" {
			b.WriteString("Content-Type: application/json\r\n")
		}
		if err := header.Write(&b); err != nil {
			return nil, err
		}
		b.WriteString("\r\n" + body)
		list[i] = b.Bytes()
	}
	return list, nil
}

// deliveryBody is a finished report of two hours, filled up to eventSize.
func deliveryBody(i int) string {
	id := fmt.Sprintf("20260314135107_%07d", i)
	head := fmt.Sprintf(`{"event":"SESSION_COMPLETE","version":"V3","timestamp":"2026-03-14T16:00:00Z","user_id":"user-%05d","session_id":%q,`+
		`"sleep_data":{"session":{"id":%q,"state":"COMPLETE","start_time":"2026-03-14T13:51:07+00:00","end_time":"2026-03-14T15:51:07+00:00",`+
		`"created_timezone":"Asia/Seoul","sleep_stages":[%s]}},"pad":"`, i%10_000, id, id, deliveredEpochs)
	return head + strings.Repeat("x", eventSize-len(head)-2) + `"}`
}

// deliveredEpochs are 240 epochs of 30 s.
var deliveredEpochs = strings.TrimSuffix(strings.Repeat("0,1,1,2,3,1,", 40), ",")

// tally is what became of deliveries.
type tally struct {
	acked, refused int
	took           []time.Duration // of those that were acknowledged
	elapsed        time.Duration
}

func (t tally) rate() float64 { return float64(t.acked) / t.elapsed.Seconds() }

// deliver sends every request once over connections that are kept open, all of
// which are there before the first request is sent. A connection that breaks is an
// error.
func deliver(ctx context.Context, address string, connections int, requests [][]byte) (sum tally, err error) {
	conns := make([]net.Conn, connections)
	defer func() {
		for _, c := range conns {
			if c != nil {
				err = errors.Join(err, c.Close())
			}
		}
	}()
	var dialer net.Dialer
	for i := range conns {
		if conns[i], err = dialer.DialContext(ctx, "tcp", address); err != nil {
			return sum, err
		}
	}
	var next atomic.Int64
	tallies, failed := make([]tally, connections), make([]error, connections)
	var wg sync.WaitGroup
	begun := time.Now()
	for c := range conns {
		wg.Go(func() { failed[c] = tallies[c].over(ctx, conns[c], requests, &next) })
	}
	wg.Wait()
	sum.elapsed = time.Since(begun)
	for _, t := range tallies {
		sum.acked, sum.refused, sum.took = sum.acked+t.acked, sum.refused+t.refused, append(sum.took, t.took...)
	}
	return sum, errors.Join(failed...)
}

// over sends requests over one connection, one at a time.
func (t *tally) over(ctx context.Context, c net.Conn, requests [][]byte, next *atomic.Int64) error {
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Now()) })
	defer stop()
	r := bufio.NewReader(c)
	for n := next.Add(1) - 1; n < int64(len(requests)); n = next.Add(1) - 1 {
		begun := time.Now()
		if _, err := c.Write(requests[n]); err != nil {
			return err
		}
		status, err := readAnswer(r)
		if err != nil {
			return err
		}
		if status != http.StatusOK {
			t.refused++
			continue
		}
		t.acked++
		t.took = append(t.took, time.Since(begun))
	}
	return nil
}

// readAnswer reads an answer of HTTP/1.1 that has a Content-Length, and drops its
// body.
func readAnswer(r *bufio.Reader) (status int, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	const before, digits = len("HTTP/1.1 "), 3
	if len(line) < before+digits {
		return 0, fmt.Errorf("the answer begins with %q", line)
	}
	if status, err = strconv.Atoi(string(line[before : before+digits])); err != nil {
		return 0, err
	}
	length := 0
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return 0, err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		if name, value, _ := bytes.Cut(line, []byte(": ")); bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, err
			}
		}
	}
	_, err = r.Discard(length)
	return status, err
}
