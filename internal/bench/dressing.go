package bench

import (
	"bytes"
	"context"
	"io"
	"net/http"
)

// wholeExchange reads the body within the attempt, under one timeout for all of it: what
// makes a truncated body an attempt that can be repeated, and a slow one an
// attempt that ends.
type wholeExchange struct{ next http.RoundTripper }

func (w wholeExchange) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), attemptTimeout)
	defer cancel()
	resp, err := w.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := readBody(resp)
	if err != nil {
		return nil, err
	}
	body := &wholeBody{data: data}
	body.Reset(data)
	resp.Body = body
	return resp, nil
}

// wholeBody is a body in memory. Who finds one need not copy it.
type wholeBody struct {
	bytes.Reader
	data []byte
}

func (*wholeBody) Close() error { return nil }

// understand403 turns a 403 that speaks of a rate limit into a 429.
type understand403 struct{ next http.RoundTripper }

func (u understand403) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := u.next.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusForbidden {
		return resp, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if bytes.Contains(data, []byte("Rate limit exceeded")) {
		resp.StatusCode, resp.Status = http.StatusTooManyRequests, "429 Too Many Requests"
	}
	resp.Body = io.NopCloser(bytes.NewReader(data))
	return resp, nil
}

// FreeWire is a transport that answers with the payload at no cost: what remains is
// the client's own.
func FreeWire() http.RoundTripper { return freeWire{} }

type freeWire struct{}

func (freeWire) RoundTrip(req *http.Request) (*http.Response, error) {
	body := &freeBody{}
	body.Reset(payload)
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: body, ContentLength: PayloadSize, Request: req,
	}, nil
}

type freeBody struct{ bytes.Reader }

func (*freeBody) Close() error { return nil }
