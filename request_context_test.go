package jetstream

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

func TestRequestContextEndsWhateverComesFirst(t *testing.T) {
	t.Parallel()
	never := time.Now().Add(time.Hour)
	soon := func() time.Time { return time.Now().Add(10 * time.Millisecond) }
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for name, tc := range map[string]struct {
		ctx   func(t *testing.T) context.Context
		until time.Time
		want  error
	}{
		"its time":               {func(*testing.T) context.Context { return context.Background() }, soon(), context.DeadlineExceeded},
		"a time that has passed": {func(*testing.T) context.Context { return context.Background() }, time.Now(), context.DeadlineExceeded},
		"the caller has left":    {func(*testing.T) context.Context { return canceled }, never, context.Canceled},
		"the caller leaves": {func(*testing.T) context.Context {
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(10*time.Millisecond, cancel)
			return ctx
		}, never, context.Canceled},
		"the caller's time": {func(t *testing.T) context.Context {
			ctx, cancel := context.WithDeadline(context.Background(), soon())
			t.Cleanup(cancel)
			return ctx
		}, time.Time{}, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newRequestContext(tc.ctx(t), tc.until, nil, "s")
			<-c.Done()
			if err := c.Err(); err != tc.want {
				t.Errorf("ended with %v, want %v", err, tc.want)
			}
			c.release()
		})
	}
}

// One that has ended, or that a look for a denial may still end, must not become
// the context of another request.
func TestRequestContextIsUsedAgainOnlyIfNothingRefersToIt(t *testing.T) {
	t.Parallel()
	start := func() *requestContext {
		return newRequestContext(context.Background(), time.Now().Add(time.Hour), nil, "s")
	}
	notUsedAgain := func(old *requestContext) {
		t.Helper()
		var others []*requestContext
		for range 100 {
			others = append(others, start())
		}
		if slices.Contains(others, old) {
			t.Error("used again")
		}
		for _, c := range others {
			c.release()
		}
	}
	ended := start()
	ended.end(errors.New("denied"))
	ended.release()
	notUsedAgain(ended)

	looking := start()
	looking.looking = true
	looking.release()
	notUsedAgain(looking)
	looking.end(errors.New("denied"))
	select {
	case <-looking.Done():
		t.Error("ended, though it was over")
	default:
	}
}
