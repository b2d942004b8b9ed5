package transport_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

var errTooLong = errors.New("took too long")

// TestACallsDeadlineIsAContextLikeAnyOther: whoever waits for it, asks it, or derives
// from it sees what context.WithTimeoutCause would show, armed or not.
func TestACallsDeadlineIsAContextLikeAnyOther(t *testing.T) {
	t.Parallel()
	look := func(context.Context) {}
	wait := func(ctx context.Context) { ctx.Done() }
	for name, before := range map[string]func(context.Context){"not armed": look, "armed": wait} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check := func(ctx context.Context, want, cause error) {
				t.Helper()
				if err := ctx.Err(); !errors.Is(err, want) || (err == nil) != (want == nil) {
					t.Errorf("Err is %v, want %v", err, want)
				}
				if err := context.Cause(ctx); !errors.Is(err, cause) || (err == nil) != (cause == nil) {
					t.Errorf("Cause is %v, want %v", err, cause)
				}
				select {
				case <-ctx.Done():
					if want == nil {
						t.Error("Done is closed too early")
					}
				default:
					if want != nil {
						t.Error("Done is not closed")
					}
				}
			}
			synctest.Test(t, func(t *testing.T) {
				type key struct{}
				parent, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "kept"))
				late, releaseLate := transport.WithTimeout(parent, time.Second, errTooLong)
				defer releaseLate()
				before(late)
				child, stop := context.WithTimeout(late, time.Hour)
				defer stop()
				time.Sleep(time.Second - time.Nanosecond)
				if late.Err() != nil || late.Value(key{}) != "kept" {
					t.Errorf("%v and %v just before the deadline", late.Err(), late.Value(key{}))
				}
				time.Sleep(time.Nanosecond)
				check(late, context.DeadlineExceeded, errTooLong)
				check(child, context.DeadlineExceeded, errTooLong)

				cut, releaseCut := transport.WithTimeout(parent, time.Second, errTooLong)
				defer releaseCut()
				before(cut)
				why := errors.New("the caller has left")
				cancel(why)
				synctest.Wait()
				check(cut, context.Canceled, why)

				done, release := transport.WithTimeout(t.Context(), time.Second, errTooLong)
				before(done)
				release()
				check(done, context.Canceled, context.Canceled)
				time.Sleep(2 * time.Second)
				check(done, context.Canceled, context.Canceled)
			})
		})
	}
}

func TestASoonerDeadlineStands(t *testing.T) {
	t.Parallel()
	parent, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ctx, release := transport.WithTimeout(parent, time.Hour, errTooLong)
	defer release()
	want, _ := parent.Deadline()
	if got, ok := ctx.Deadline(); !ok || !got.Equal(want) {
		t.Errorf("deadline %v, want the parent's %v", got, want)
	}
}
