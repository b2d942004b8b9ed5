package transport

import (
	"context"
	"log/slog"
	"time"
)

// LogHooks returns hooks that write to logger:
//
//	api_request   debug  a request is about to be sent
//	api_response  info   it was answered with success
//	api_error     warn   it failed, or a call ended without an answer
//	api_event     debug  retries, waits; warn for a breaker and an empty budget
//
// with method, route (the template, never the URL), status_code, duration_ms,
// attempt, request_id, error_type and user_hash. Neither the API key nor a user's
// id nor any part of a body is written. A nil logger gives no hooks.
func LogHooks(logger *slog.Logger) Hooks {
	if logger == nil {
		return Hooks{}
	}
	l := logHooks{logger}
	return Hooks{AttemptStart: l.request, AttemptEnd: l.answer, OperationEnd: l.end, Event: l.event}
}

type logHooks struct{ logger *slog.Logger }

func (l logHooks) request(ctx context.Context, op *Operation, a *Attempt) context.Context {
	if l.logger.Enabled(ctx, slog.LevelDebug) {
		l.logger.LogAttrs(ctx, slog.LevelDebug, "api_request", l.attrs(op, a.Number, a.RequestID)...)
	}
	return nil
}

func (l logHooks) answer(ctx context.Context, op *Operation, a *Attempt) {
	if a.Superseded {
		return // the pair's events have told of it
	}
	if a.ErrorType != "" {
		l.failed(ctx, op, failure{a.Number, a.StatusCode, a.RequestID, a.ErrorType, a.Duration, a.Err})
		return
	}
	if l.logger.Enabled(ctx, slog.LevelInfo) {
		l.logger.LogAttrs(ctx, slog.LevelInfo, "api_response", append(l.attrs(op, a.Number, a.RequestID),
			slog.Int("status_code", a.StatusCode), milliseconds("duration_ms", a.Duration))...)
	}
}

// end tells of calls whose end no attempt has told of.
func (l logHooks) end(ctx context.Context, op *Operation) {
	if op.Class == ClassRefused.String() || op.Class == ClassCanceled.String() {
		l.failed(ctx, op, failure{op.Attempts, op.StatusCode, op.RequestID, op.ErrorType, op.Duration, op.Err})
	}
}

// failure is what an attempt and a call that failed have in common.
type failure struct {
	attempt, status      int
	requestID, errorType string
	took                 time.Duration
	err                  error
}

func (l logHooks) failed(ctx context.Context, op *Operation, f failure) {
	if !l.logger.Enabled(ctx, slog.LevelWarn) {
		return
	}
	attrs := append(l.attrs(op, f.attempt, f.requestID),
		slog.Int("status_code", f.status), milliseconds("duration_ms", f.took), slog.String("error_type", f.errorType))
	if f.err != nil {
		attrs = append(attrs, slog.String("error", f.err.Error()))
	}
	l.logger.LogAttrs(ctx, slog.LevelWarn, "api_error", attrs...)
}

func (l logHooks) event(ctx context.Context, op *Operation, e Event) {
	level := slog.LevelDebug
	if e.Kind == EventBreakerChange || e.Kind == EventBudgetExhausted {
		level = slog.LevelWarn
	}
	if !l.logger.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("event", e.Kind)}
	if op != nil {
		attrs = append(attrs, slog.String("op", op.Op), slog.String("route", op.Route))
	}
	if e.Wait > 0 {
		attrs = append(attrs, milliseconds("wait_ms", e.Wait))
	}
	if e.StatusCode != 0 {
		attrs = append(attrs, slog.Int("status_code", e.StatusCode))
	}
	if e.Kind == EventBreakerChange {
		attrs = append(attrs, slog.String("breaker", e.Breaker), slog.String("from", e.From), slog.String("to", e.To))
	}
	if !e.Until.IsZero() {
		attrs = append(attrs, slog.Time("until", e.Until))
	}
	l.logger.LogAttrs(ctx, level, "api_event", attrs...)
}

func (l logHooks) attrs(op *Operation, attempt int, requestID string) []slog.Attr {
	attrs := make([]slog.Attr, 0, 11)
	attrs = append(attrs, slog.String("op", op.Op), slog.String("method", op.Method), slog.String("route", op.Route), slog.Int("attempt", attempt))
	if requestID != "" {
		attrs = append(attrs, slog.String("request_id", requestID))
	}
	if user := op.UserHash(); user != "" {
		attrs = append(attrs, slog.String("user_hash", user))
	}
	return attrs
}

func milliseconds(key string, d time.Duration) slog.Attr {
	return slog.Float64(key, float64(d.Microseconds())/1000)
}
