package jetstream_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

func TestStreamInfoOptions(t *testing.T) {
	t.Parallel()
	js, nc := mgHandle(t)
	ctx := mgContext(t)
	st := mgStream(t, js, jetstream.StreamConfig{Name: "S", Subjects: []string{"foo.>"}})
	recorded := jstest.RecordRequests(t, nc, "$JS.API.STREAM.INFO.S")
	for i := range 5 {
		mgStore(t, nc, fmt.Sprintf("foo.%d", i%2), "x")
	}
	mgOK(t, st.DeleteMsg(ctx, 3))
	mgOK(t, st.DeleteMsg(ctx, 4))

	info, err := st.Info(ctx)
	mgOK(t, err)
	mgEqual(t, "number of deleted", info.State.NumDeleted, 2)
	mgEqual(t, "deleted", info.State.Deleted, []uint64(nil))
	mgEqual(t, "subjects", info.State.Subjects, map[string]uint64(nil))

	info, err = st.Info(ctx, jetstream.WithDeletedDetails(true))
	mgOK(t, err)
	mgEqual(t, "deleted", info.State.Deleted, []uint64{3, 4})
	mgEqual(t, "cached deleted", st.CachedInfo().State.Deleted, []uint64{3, 4})
	cached := st.CachedInfo()
	if info == cached || cached != st.CachedInfo() {
		t.Error("the result must differ from the cache, and the cache must not change by itself")
	}

	info, err = st.Info(ctx, jetstream.WithSubjectFilter("foo.>"))
	mgOK(t, err)
	mgEqual(t, "subjects", info.State.Subjects, map[string]uint64{"foo.0": 2, "foo.1": 1})
	mgEqual(t, "cached subjects", st.CachedInfo().State.Subjects, map[string]uint64(nil))

	info, err = st.Info(ctx, jetstream.WithSubjectFilter("bar"))
	mgOK(t, err)
	mgEqual(t, "no subjects", info.State.Subjects, map[string]uint64{})

	_, err = st.Info(ctx, jetstream.WithDeletedDetails(false))
	mgOK(t, err)
	_, err = st.Info(ctx, nil)
	mgIs(t, err, jetstream.ErrInvalidOption)

	jstest.WaitFor(t, mgWait, "the requests to be seen", func() bool { return len(recorded.Requests()) == 5 })
	var bodies []string
	for _, r := range recorded.Requests() {
		bodies = append(bodies, string(r.Body))
	}
	// The server escapes nothing in the filter, but encoding/json does.
	mgEqual(t, "bodies", bodies, []string{
		"", `{"offset":0,"deleted_details":true}`, `{"offset":0,"subjects_filter":"foo.\u003e"}`,
		`{"offset":0,"subjects_filter":"bar"}`, `{"offset":0}`,
	})
}

func TestStreamInfoCollectsSubjectsFromAllPages(t *testing.T) {
	t.Parallel()
	const subjects = 110_000
	// Slow machines may take long for one page; each has this timeout.
	js, nc := mgHandle(t, jetstream.WithDefaultTimeout(2*time.Minute))
	st := mgStream(t, js, jetstream.StreamConfig{Name: "S", Subjects: []string{"foo.*"}})
	for i := range subjects {
		mgOK(t, nc.PublishMsg(&nats.Msg{Subject: fmt.Sprintf("foo.%d", i)}))
	}
	jstest.WaitFor(t, 2*time.Minute, "all messages to be stored", func() bool {
		info, err := st.Info(mgContext(t))
		mgOK(t, err)
		return info.State.Msgs == subjects
	})
	recorded := jstest.RecordRequests(t, nc, "$JS.API.STREAM.INFO.S")
	info, err := st.Info(context.Background(), jetstream.WithSubjectFilter("foo.*"))
	mgOK(t, err)
	mgEqual(t, "number of subjects", len(info.State.Subjects), subjects)
	mgEqual(t, "cached subjects", len(st.CachedInfo().State.Subjects), 0)
	jstest.WaitFor(t, mgWait, "both requests to be seen", func() bool { return len(recorded.Requests()) == 2 })
}

func TestStreamInfoPagesEndWithoutProgress(t *testing.T) {
	t.Parallel()
	js, fake := mgFake(t)
	ctx := mgContext(t)
	st, err := js.Stream(ctx, "S")
	mgOK(t, err)
	page := func(total int, subjects string) jstest.Answer {
		return jstest.Bytes(fmt.Appendf(nil, `{"total":%d,"state":{"messages":%d,"subjects":%s}}`, total, total, subjects))
	}
	fake.On("STREAM.INFO.S", jstest.InTurn(page(9, `{"a":1,"b":2}`), page(9, `{"b":3,"c":1}`), page(9, `{}`)))
	info, err := st.Info(ctx, jetstream.WithSubjectFilter(">"))
	mgOK(t, err)
	mgEqual(t, "subjects", info.State.Subjects, map[string]uint64{"a": 1, "b": 3, "c": 1})
	var offsets []any
	for _, r := range fake.Seen("STREAM.INFO.S")[1:] {
		offsets = append(offsets, mgBody(t, r)["offset"])
	}
	// The position is the server's, whatever the number of distinct subjects.
	mgEqual(t, "offsets", offsets, []any{0., 2., 4.})

	// Subjects that nobody asked for do no harm.
	fake.On("STREAM.INFO.S", page(9, `{"a":1}`))
	before := len(fake.Seen(">"))
	_, err = st.Info(ctx)
	mgOK(t, err)
	mgEqual(t, "number of requests", len(fake.Seen(">"))-before, 1)
	mgEqual(t, "cached subjects", st.CachedInfo().State.Subjects, map[string]uint64(nil))
}

func TestSlowStreamInfoDoesNotReplaceNewerOne(t *testing.T) {
	t.Parallel()
	js, fake := mgFake(t)
	st, err := js.Stream(mgContext(t), "S")
	mgOK(t, err)
	infoAt := func(second int) jstest.Answer {
		return jstest.Bytes(fmt.Appendf(nil, `{"ts":"2024-01-01T00:00:%02dZ"}`, second))
	}
	asked, release := make(chan struct{}), make(chan struct{})
	slow := infoAt(1)
	fake.On("STREAM.INFO.S", jstest.InTurn(
		func(c *jstest.Call) {
			go func() { <-release; slow(c) }()
			close(asked)
		},
		infoAt(2), infoAt(0)))
	done := make(chan *jetstream.StreamInfo)
	go func() {
		info, err := st.Info(mgContext(t))
		if err != nil {
			t.Error(err)
		}
		done <- info
	}()
	<-asked
	newer, err := st.Info(mgContext(t))
	mgOK(t, err)
	close(release)
	mgEqual(t, "result of the slow call", (<-done).TimeStamp.Second(), 1)
	mgEqual(t, "cached", st.CachedInfo().TimeStamp, newer.TimeStamp)
	// Without a race, the last one counts even if the server's clock went back.
	_, err = st.Info(mgContext(t))
	mgOK(t, err)
	mgEqual(t, "cached", st.CachedInfo().TimeStamp.Second(), 0)
}
