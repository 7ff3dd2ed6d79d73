package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream/internal/jstest"
)

// lsStart returns a handle on a server of its own.
func lsStart(t *testing.T) *jetStream {
	t.Helper()
	js, err := newJetStream(jstest.Connect(t, jstest.StartServer(t)), nil)
	if err != nil {
		t.Fatal(err)
	}
	js.opts.DefaultTimeout = 30 * time.Second
	return js
}

// lsFake returns a handle whose requests go to a fake API.
func lsFake(t *testing.T) (*jetStream, *jstest.FakeAPI) {
	t.Helper()
	js := lsStart(t)
	js.prefix = "FAKE."
	fake := jstest.StartFakeAPI(t, jstest.ConnectURL(t, js.conn.ConnectedUrl()), "FAKE")
	return js, fake
}

func lsContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// lsRead reads a listing to its end.
func lsRead[T any](t *testing.T, l interface {
	Err() error
}, items <-chan T,
) ([]T, error) {
	t.Helper()
	var read []T
	timeout := time.After(time.Minute)
	for {
		select {
		case item, ok := <-items:
			if !ok {
				return read, l.Err()
			}
			read = append(read, item)
		case <-timeout:
			t.Fatal("the listing does not end")
		}
	}
}

// lsClosed waits until the channel of a listing is closed, reading nothing while
// the listing goes on.
func lsClosed[T any](t *testing.T, items <-chan T, l interface{ Err() error }) {
	t.Helper()
	jstest.WaitFor(t, 30*time.Second, "the listing to end", func() bool { return l.Err() != nil })
	if _, ok := <-items; ok {
		t.Error("an item comes after the end")
	}
}

// lsOffsets returns the offsets that were asked for.
func lsOffsets(t *testing.T, requests []jstest.Request) []int {
	t.Helper()
	var offsets []int
	for _, r := range requests {
		var req streamsRequest
		if err := json.Unmarshal(r.Body, &req); err != nil {
			t.Fatal(err)
		}
		offsets = append(offsets, req.Offset)
	}
	return offsets
}

func lsStreams(t *testing.T, js *jetStream, n int) []string {
	t.Helper()
	var names []string
	for i := range n {
		name := fmt.Sprintf("S%03d", i)
		names = append(names, name)
		_, err := js.CreateStream(lsContext(t), StreamConfig{Name: name, Subjects: []string{"sub." + name}, Storage: MemoryStorage})
		if err != nil {
			t.Fatal(err)
		}
	}
	return names
}

func TestStreamListersCrossPages(t *testing.T) {
	t.Parallel()
	js := lsStart(t)
	want := lsStreams(t, js, 260)
	for name, ctx := range map[string]context.Context{"deadline": lsContext(t), "none": context.Background()} {
		t.Run(name, func(t *testing.T) {
			infos := js.ListStreams(ctx)
			streams, err := lsRead(t, infos, infos.Info())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, info := range streams {
				got = append(got, info.Config.Name)
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %d streams: %v", len(got), got)
			}
			names := js.StreamNames(ctx)
			if got, err = lsRead(t, names, names.Name()); err != nil || !slices.Equal(got, want) {
				t.Errorf("got %d names and error %v", len(got), err)
			}
		})
	}
}

func TestStreamListersWithSubject(t *testing.T) {
	t.Parallel()
	js := lsStart(t)
	ctx := lsContext(t)
	lsStreams(t, js, 3)
	for subject, want := range map[string][]string{
		"sub.S001": {"S001"}, "sub.*": {"S000", "S001", "S002"}, "other": nil, "": {"S000", "S001", "S002"},
	} {
		names := js.StreamNames(ctx, WithStreamListSubject(subject))
		if got, err := lsRead(t, names, names.Name()); err != nil || !slices.Equal(got, want) {
			t.Errorf("names for %q are %v (%v), want %v", subject, got, err, want)
		}
		infos := js.ListStreams(ctx, WithStreamListSubject(subject))
		if got, err := lsRead(t, infos, infos.Info()); err != nil || len(got) != len(want) {
			t.Errorf("%d streams for %q (%v), want %v", len(got), subject, err, want)
		}
	}
}

func TestConsumerListersCrossPages(t *testing.T) {
	t.Parallel()
	const count = 1025
	js := lsStart(t)
	ctx := lsContext(t)
	st, err := js.CreateStream(ctx, StreamConfig{Name: "S", Storage: MemoryStorage, MaxConsumers: 2 * count})
	if err != nil {
		t.Fatal(err)
	}
	empty := st.ListConsumers(ctx)
	if got, err := lsRead(t, empty, empty.Info()); err != nil || len(got) != 0 {
		t.Errorf("consumers of a new stream are %v (%v)", got, err)
	}
	var want []string
	for i := range count {
		name := fmt.Sprintf("C%04d", i)
		want = append(want, name)
		if _, err := st.CreateConsumer(context.Background(), ConsumerConfig{Durable: name, MemoryStorage: true}); err != nil {
			t.Fatal(err)
		}
	}
	for name, ctx := range map[string]context.Context{"deadline": lsContext(t), "none": context.Background()} {
		t.Run(name, func(t *testing.T) {
			names := st.ConsumerNames(ctx)
			got, err := lsRead(t, names, names.Name())
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("got %d names and error %v", len(got), err)
			}
			infos := st.ListConsumers(ctx)
			consumers, err := lsRead(t, infos, infos.Info())
			got = nil
			for _, info := range consumers {
				got = append(got, info.Name)
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("got %d infos and error %v", len(got), err)
			}
		})
	}
}

// lsAll starts all four listings.
func lsAll(ctx context.Context, t *testing.T, js *jetStream) map[string]func() (int, error) {
	t.Helper()
	st := newStream(js, "S", &StreamInfo{})
	return map[string]func() (int, error){
		"STREAM.LIST": func() (int, error) {
			l := js.ListStreams(ctx)
			items, err := lsRead(t, l, l.Info())
			return len(items), err
		},
		"STREAM.NAMES": func() (int, error) {
			l := js.StreamNames(ctx)
			items, err := lsRead(t, l, l.Name())
			return len(items), err
		},
		"CONSUMER.LIST.S": func() (int, error) {
			l := st.ListConsumers(ctx)
			items, err := lsRead(t, l, l.Info())
			return len(items), err
		},
		"CONSUMER.NAMES.S": func() (int, error) {
			l := st.ConsumerNames(ctx)
			items, err := lsRead(t, l, l.Name())
			return len(items), err
		},
	}
}

func TestListersEndOnErrorAfterWhatCameBefore(t *testing.T) {
	t.Parallel()
	js, fake := lsFake(t)
	for subject, list := range lsAll(lsContext(t), t, js) {
		items := `["a","b"]`
		if subject == "STREAM.LIST" || subject == "CONSUMER.LIST.S" {
			items = `[{"name":"a"},{"name":"b"}]`
		}
		fake.On(subject, jstest.InTurn(
			jstest.Bytes(fmt.Appendf(nil, `{"total":5,"streams":%s,"consumers":%[1]s}`, items)),
			jstest.Error(503, 10008, "unavailable")))
		count, err := list()
		if !errors.Is(err, &APIError{ErrorCode: 10008}) || count != 2 {
			t.Errorf("%s: %d items and error %v", subject, count, err)
		}
		fake.On(subject, jstest.Error(404, 10059, "not found"))
		if _, err = list(); !errors.Is(err, ErrStreamNotFound) || err == error(ErrStreamNotFound) { // It is not mapped.
			t.Errorf("%s: error is %v", subject, err)
		}
		fake.On(subject, jstest.Bytes([]byte(`{"total":`)))
		var syntax *json.SyntaxError
		if _, err = list(); !errors.As(err, &syntax) {
			t.Errorf("%s: error is %v", subject, err)
		}
	}
}

func TestListersEndOnPageWithoutProgress(t *testing.T) {
	t.Parallel()
	js, fake := lsFake(t)
	for subject, list := range lsAll(lsContext(t), t, js) {
		fake.On(subject, jstest.Bytes([]byte(`{"total":5,"offset":0,"limit":256}`)))
		count, err := list()
		if !errors.Is(err, ErrInvalidJetStreamResponse) || count != 0 {
			t.Errorf("%s: %d items and error %v", subject, count, err)
		}
		fake.On(subject, jstest.Bytes([]byte(`{}`)))
		if count, err = list(); err != nil || count != 0 {
			t.Errorf("%s: empty reply: %d items and error %v", subject, count, err)
		}
		if requests := len(fake.Seen(subject)); requests != 2 {
			t.Errorf("%s: %d requests", subject, requests)
		}
	}
}

func TestListersSkipNullsAndCountMissing(t *testing.T) {
	t.Parallel()
	js, fake := lsFake(t)
	list := lsAll(lsContext(t), t, js)
	fake.On("STREAM.LIST", jstest.InTurn(
		// Five entries: a is there, b is offline and listed anyway, c and d could
		// not be asked, one is null.
		jstest.Bytes([]byte(`{"total":6,"streams":[{"config":{"name":"a"}},{"config":{"name":"b"}}],"missing":["b","c","d"],"offline":{"c":"x"}}`)),
		jstest.Bytes([]byte(`{"total":6,"streams":[null,{"config":{"name":"f"}}]}`))))
	if count, err := list["STREAM.LIST"](); err != nil || count != 3 {
		t.Errorf("%d streams and error %v", count, err)
	}
	if got := lsOffsets(t, fake.Seen("STREAM.LIST")); !slices.Equal(got, []int{0, 4}) {
		t.Errorf("offsets %v", got)
	}
	fake.On("CONSUMER.LIST.S", jstest.InTurn(
		jstest.Bytes([]byte(`{"total":5,"consumers":[{"name":"a"},null,{"config":{"durable_name":"c"}}],"missing":["b","c"]}`)),
		jstest.Bytes([]byte(`{"total":5,"missing":["d"]}`)),
		jstest.Bytes([]byte(`{"total":5,"consumers":[{"name":"e"}]}`))))
	if count, err := list["CONSUMER.LIST.S"](); err != nil || count != 3 {
		t.Errorf("%d consumers and error %v", count, err)
	}
	if got := lsOffsets(t, fake.Seen("CONSUMER.LIST.S")); !slices.Equal(got, []int{0, 3, 4}) {
		t.Errorf("offsets %v", got)
	}
}

func TestInfoPageSpan(t *testing.T) {
	t.Parallel()
	a, b, c := "a", "b", "c"
	for _, test := range []struct {
		items   []*string
		missing []string
		items2  []*string
		span    int
	}{
		{},
		{items: []*string{&a, &b}, items2: []*string{&a, &b}, span: 2},
		{items: []*string{&a, nil, &b}, items2: []*string{&a, &b}, span: 3},
		{items: []*string{&a, &b}, missing: []string{"b"}, items2: []*string{&a, &b}, span: 2},
		{items: []*string{&a}, missing: []string{"b", "c"}, items2: []*string{&a}, span: 3},
		{items: []*string{nil, &c}, missing: []string{"b"}, items2: []*string{&c}, span: 2},
		{items: []*string{nil, &c}, missing: []string{"a", "b"}, items2: []*string{&c}, span: 3},
		{missing: []string{"a", "a"}, span: 1},
	} {
		page := infoPage(slices.Clone(test.items), func(s *string) string { return *s }, test.missing, 9, 0)
		if page.span != test.span || page.total != 9 || !slices.Equal(page.items, test.items2) {
			t.Errorf("%v with %v missing spans %d: %v", test.items, test.missing, page.span, page.items)
		}
	}
}

func TestListersReportBadArgumentsOnClosedChannel(t *testing.T) {
	t.Parallel()
	js, fake := lsFake(t)
	boom := errors.New("boom")
	bad := func(*streamsRequest) error { return boom }
	names := js.StreamNames(lsContext(t), WithStreamListSubject("a"), bad)
	if _, ok := <-names.Name(); ok || names.Err() != boom { // The identity is what is tested.
		t.Errorf("error is %v", names.Err())
	}
	infos := js.ListStreams(lsContext(t), bad)
	if _, ok := <-infos.Info(); ok || !errors.Is(infos.Err(), boom) {
		t.Errorf("error is %v", infos.Err())
	}
	infos = js.ListStreams(lsContext(t), nil)
	if _, ok := <-infos.Info(); ok || !errors.Is(infos.Err(), ErrInvalidOption) {
		t.Errorf("error is %v", infos.Err())
	}
	//nolint:staticcheck // It must be refused, not panic.
	for subject, list := range lsAll(nil, t, js) {
		if _, err := list(); !errors.Is(err, nats.ErrInvalidContext) {
			t.Errorf("%s: error is %v", subject, err)
		}
	}
	if seen := fake.Seen(">"); len(seen) != 0 {
		t.Errorf("requests were sent: %v", seen)
	}
}

// lsEndless is an endless list of numbers.
func lsEndless(_ context.Context, emit func(int) error) error {
	for i := 0; ; i++ {
		if err := emit(i); err != nil {
			return err
		}
	}
}

// B41
func TestAbandonedListersEndWithTheirContext(t *testing.T) {
	t.Parallel()
	js, fake := lsFake(t)
	page := `{"total":9,"streams":%s,"consumers":%[1]s}`
	names, infos := jstest.Bytes(fmt.Appendf(nil, page, `["a","b"]`)), jstest.Bytes(fmt.Appendf(nil, page, `[{"name":"a"},{"name":"b"}]`))
	fake.On("*.NAMES.>", names)
	fake.On("*.NAMES", names)
	fake.On("*.LIST.>", infos)
	fake.On("*.LIST", infos)
	st := newStream(js, "S", &StreamInfo{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	streams, streamNames := js.ListStreams(ctx), js.StreamNames(ctx)
	consumers, consumerNames := st.ListConsumers(ctx), st.ConsumerNames(ctx)
	<-streams.Info()
	<-streamNames.Name()
	<-consumers.Info()
	<-consumerNames.Name()
	for _, l := range []interface{ Err() error }{streams, streamNames, consumers, consumerNames} {
		if err := l.Err(); err != nil {
			t.Errorf("error before the end: %v", err)
		}
	}
	cancel()
	lsClosed(t, streams.Info(), streams)
	lsClosed(t, streamNames.Name(), streamNames)
	lsClosed(t, consumers.Info(), consumers)
	lsClosed(t, consumerNames.Name(), consumerNames)
	for _, l := range []interface{ Err() error }{streams, streamNames, consumers, consumerNames} {
		if !errors.Is(l.Err(), context.Canceled) {
			t.Errorf("error is %v", l.Err())
		}
	}
}

func TestAbandonedListerWithoutDeadlineEndsAfterPatience(t *testing.T) {
	t.Parallel()
	l := newLister(context.Background(), 20*time.Millisecond, lsEndless)
	<-l.Info()
	lsClosed(t, l.Info(), l)
	if !errors.Is(l.Err(), context.DeadlineExceeded) {
		t.Errorf("error is %v", l.Err())
	}
}

func TestListerGivesPatienceForEachItem(t *testing.T) {
	t.Parallel()
	const patience = 2 * time.Second
	l := newLister(context.Background(), patience, lsEndless)
	start := time.Now()
	pause := time.NewTicker(20 * time.Millisecond)
	defer pause.Stop()
	for i := 0; time.Since(start) < patience+patience/2; i++ {
		if got, ok := <-l.Info(); !ok || got != i {
			t.Fatalf("got %d, %v after %v (%v)", got, ok, time.Since(start), l.Err())
		}
		<-pause.C
	}
	lsClosed(t, l.Info(), l)
}

func TestListerHasNoPatienceLimitWithDeadline(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	l := newLister(ctx, time.Nanosecond, lsEndless)
	pause := time.NewTicker(5 * time.Millisecond) // far longer than the patience
	defer pause.Stop()
	for ; ctx.Err() == nil; <-pause.C {
		if _, ok := <-l.Info(); !ok && ctx.Err() == nil {
			t.Fatalf("ended before its context: %v", l.Err())
		}
	}
	lsClosed(t, l.Info(), l)
	if !errors.Is(l.Err(), context.DeadlineExceeded) {
		t.Errorf("error is %v", l.Err())
	}
}

func TestListerEndsPromptlyWithEagerReader(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	l := newLister(ctx, time.Minute, lsEndless)
	<-l.Info()
	cancel()
	rest, err := lsRead(t, l, l.Info())
	// One item may have been on its way.
	if !errors.Is(err, context.Canceled) || len(rest) > 1 {
		t.Errorf("%d items after the end and error %v", len(rest), err)
	}
}

// B50
func TestSlowReaderOutlivesTheDefaultTimeout(t *testing.T) {
	t.Parallel()
	const timeout, count = 2 * time.Second, 8
	js := lsStart(t)
	lsStreams(t, js, count)
	js.opts.DefaultTimeout = timeout
	l := js.StreamNames(context.Background())
	pause := time.NewTicker(timeout / 5)
	defer pause.Stop()
	read := 0
	for range l.Name() {
		<-pause.C
		read++
	}
	if l.Err() != nil || read != count {
		t.Errorf("%d of %d streams and error %v", read, count, l.Err())
	}
}

// B51
func TestEachPageOfAListingHasTheDefaultTimeout(t *testing.T) {
	t.Parallel()
	js, fake := lsFake(t)
	js.opts.DefaultTimeout = 50 * time.Millisecond
	fake.On(">", jstest.Ignore)
	for subject, list := range lsAll(context.Background(), t, js) {
		if count, err := list(); !errors.Is(err, context.DeadlineExceeded) || count != 0 {
			t.Errorf("%s: %d items and error %v", subject, count, err)
		}
	}
}
