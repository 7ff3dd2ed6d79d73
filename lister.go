package jetstream

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// StreamInfoLister is a running listing of streams, see
// [StreamManager.ListStreams].
type StreamInfoLister interface {
	// Info returns the channel on which the streams arrive, in the order of
	// their names. It is closed at the end of the listing, complete or not. It
	// is unbuffered and meant for one reader.
	Info() <-chan *StreamInfo

	// Err returns what cut the listing short, or nil if it is complete. It
	// tells nothing before the channel is closed: until then it is nil.
	Err() error
}

// StreamNameLister is a running listing of stream names, see
// [StreamManager.StreamNames].
type StreamNameLister interface {
	// Name returns the channel on which the names arrive in their order. It is
	// closed at the end of the listing, complete or not. It is unbuffered and
	// meant for one reader.
	Name() <-chan string

	// Err returns what cut the listing short, or nil if it is complete. It
	// tells nothing before the channel is closed: until then it is nil.
	Err() error
}

// ConsumerInfoLister is a running listing of consumers, see
// [ConsumerManager.ListConsumers].
type ConsumerInfoLister interface {
	// Info returns the channel on which the consumers arrive, in the order of
	// their names. It is closed at the end of the listing, complete or not. It
	// is unbuffered and meant for one reader.
	Info() <-chan *ConsumerInfo

	// Err returns what cut the listing short, or nil if it is complete. It
	// tells nothing before the channel is closed: until then it is nil.
	Err() error
}

// ConsumerNameLister is a running listing of consumer names, see
// [ConsumerManager.ConsumerNames].
type ConsumerNameLister interface {
	// Name returns the channel on which the names arrive in their order. It is
	// closed at the end of the listing, complete or not. It is unbuffered and
	// meant for one reader.
	Name() <-chan string

	// Err returns what cut the listing short, or nil if it is complete. It
	// tells nothing before the channel is closed: until then it is nil.
	Err() error
}

// StreamListOpt narrows [StreamManager.ListStreams] and
// [StreamManager.StreamNames].
type StreamListOpt func(*streamsRequest) error

// streamsRequest asks for one page of the list of streams.
type streamsRequest struct {
	Offset  int    `json:"offset"`
	Subject string `json:"subject,omitempty"`
}

// WithStreamListSubject lists only the streams that have at least one subject
// in common with the given one, which may contain wildcards.
func WithStreamListSubject(subject string) StreamListOpt {
	return func(req *streamsRequest) error {
		req.Subject = subject
		return nil
	}
}

// listerPatience is how long a listing whose context has no deadline waits for
// its reader to take one item. It only has to keep readers that walked away
// from holding a goroutine and a page of items for ever, so it is much longer
// than what a living reader spends on an item.
const listerPatience = 2 * time.Minute

// listing hands the items of a list to emit, one after the other, until that
// fails.
type listing[T any] func(ctx context.Context, emit func(T) error) error

// lister feeds the items of a listing to a reader. Its goroutine ends, and
// closes the channel, when the list is at its end, when a request fails, when
// the context ends or when the reader exceeds the patience.
//
// It implements the info and the name listers alike.
type lister[T any] struct {
	items chan T

	mu  sync.Mutex // guards err
	err error
}

// newLister starts a listing. A context without deadline does not bound it as a
// whole: then each page has the timeout its request comes with, and the reader
// has the given patience for each item.
func newLister[T any](ctx context.Context, patience time.Duration, list listing[T]) *lister[T] {
	l := &lister[T]{items: make(chan T)}
	go func() {
		err := l.run(ctx, patience, list)
		l.mu.Lock()
		l.err = err
		l.mu.Unlock()
		close(l.items)
	}()
	return l
}

// failedLister returns a listing that ended with err before it began.
func failedLister[T any](err error) *lister[T] {
	l := &lister[T]{items: make(chan T), err: err}
	close(l.items)
	return l
}

func (l *lister[T]) Info() <-chan T { return l.items }

func (l *lister[T]) Name() <-chan T { return l.items }

func (l *lister[T]) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *lister[T]) run(ctx context.Context, patience time.Duration, list listing[T]) error {
	var timer *time.Timer
	var abandoned <-chan time.Time
	if _, ok := ctx.Deadline(); !ok {
		timer = time.NewTimer(patience)
		defer timer.Stop()
		abandoned = timer.C
	}
	return list(ctx, func(item T) error {
		// With a reader at hand, select would pick the send as often as the end
		// of the context.
		if err := ctx.Err(); err != nil {
			return err
		}
		if timer != nil {
			timer.Reset(patience)
		}
		select {
		case l.items <- item:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-abandoned:
			return context.DeadlineExceeded
		}
	})
}

// infoPage makes a page of the infos of one reply. In a cluster, the reply also
// names entries about which no server had anything to tell (missing); some of
// those appear among the infos too, others do not or as null, but all of them
// take up a place in the list the next offset refers to.
func infoPage[T any](infos []*T, name func(*T) string, missing []string, total, limit int) listPage[*T] {
	page := listPage[*T]{items: infos, missing: missing, span: len(infos), total: total, limit: limit}
	if len(missing) == 0 && !slices.Contains(infos, nil) {
		return page
	}
	unlisted := make(map[string]struct{}, len(missing))
	for _, m := range missing {
		unlisted[m] = struct{}{}
	}
	nulls := 0
	for _, info := range infos {
		if info == nil {
			nulls++
		} else if len(unlisted) > 0 {
			delete(unlisted, name(info))
		}
	}
	// A null may stand for a missing entry. Counting both could skip an entry
	// that exists; counting one of them can at worst list one twice.
	page.span += max(0, len(unlisted)-nulls)
	if nulls > 0 {
		page.items = slices.DeleteFunc(infos, func(info *T) bool { return info == nil })
	}
	return page
}

// streamListResponse is the reply to STREAM.LIST.
type streamListResponse struct {
	pagedResponse
	Streams []*StreamInfo `json:"streams"`
	Missing []string      `json:"missing"`
}

// streamNamesResponse is the reply to STREAM.NAMES.
type streamNamesResponse struct {
	pagedResponse
	Streams []string `json:"streams"`
}

// consumerListResponse is the reply to CONSUMER.LIST.
type consumerListResponse struct {
	pagedResponse
	Consumers []*ConsumerInfo `json:"consumers"`
	Missing   []string        `json:"missing"`
}

// consumerNamesResponse is the reply to CONSUMER.NAMES.
type consumerNamesResponse struct {
	pagedResponse
	Consumers []string `json:"consumers"`
}

// streamInfos returns the list of the streams that have a subject in common with
// the given one, or of all streams if it is empty.
func (js *jetStream) streamInfos(subject string) pagedList[*StreamInfo] {
	fetch := func(ctx context.Context, offset int) (listPage[*StreamInfo], error) {
		var resp streamListResponse
		req := streamsRequest{Offset: offset, Subject: subject}
		if err := js.call(ctx, "STREAM.LIST", &req, &resp); err != nil {
			return listPage[*StreamInfo]{}, err
		}
		return infoPage(resp.Streams, listedStreamName, resp.Missing, resp.Total, resp.Limit), nil
	}
	return pagedList[*StreamInfo]{fetch, listedStreamName, memoryOf(&js.infoPages, subject)}
}

// memoryOf returns the memory for a list of all streams, and none for one of those
// with a given subject.
func memoryOf(m *pageMemory, subject string) *pageMemory {
	if subject != "" {
		return nil
	}
	return m
}

func listedStreamName(info *StreamInfo) string { return info.Config.Name }

// streamNames is streamInfos for names only.
func (js *jetStream) streamNames(subject string) pagedList[string] {
	fetch := func(ctx context.Context, offset int) (listPage[string], error) {
		var resp streamNamesResponse
		req := streamsRequest{Offset: offset, Subject: subject}
		if err := js.call(ctx, "STREAM.NAMES", &req, &resp); err != nil {
			return listPage[string]{}, err
		}
		return namePage(resp.Streams, &resp.pagedResponse), nil
	}
	return pagedList[string]{fetch, listedName, memoryOf(&js.namePages, subject)}
}

func listedName(name string) string { return name }

func namePage(names []string, resp *pagedResponse) listPage[string] {
	return listPage[string]{items: names, span: len(names), total: resp.Total, limit: resp.Limit}
}

// consumerInfos returns the list of the consumers of a stream.
func (js *jetStream) consumerInfos(stream string) pagedList[*ConsumerInfo] {
	fetch := func(ctx context.Context, offset int) (listPage[*ConsumerInfo], error) {
		var resp consumerListResponse
		if err := js.call(ctx, "CONSUMER.LIST."+stream, &streamsRequest{Offset: offset}, &resp); err != nil {
			return listPage[*ConsumerInfo]{}, err
		}
		return infoPage(resp.Consumers, listedConsumerName, resp.Missing, resp.Total, resp.Limit), nil
	}
	return pagedList[*ConsumerInfo]{fetch: fetch, name: listedConsumerName}
}

// listedConsumerName returns the name of a consumer in a list. An entry the
// server made up for a consumer that is offline has it in its config only.
func listedConsumerName(info *ConsumerInfo) string {
	if info.Name != "" {
		return info.Name
	}
	return effectiveConsumerName(&info.Config)
}

// consumerNames is consumerInfos for names only.
func (js *jetStream) consumerNames(stream string) pagedList[string] {
	fetch := func(ctx context.Context, offset int) (listPage[string], error) {
		var resp consumerNamesResponse
		if err := js.call(ctx, "CONSUMER.NAMES."+stream, &streamsRequest{Offset: offset}, &resp); err != nil {
			return listPage[string]{}, err
		}
		return namePage(resp.Consumers, &resp.pagedResponse), nil
	}
	return pagedList[string]{fetch: fetch, name: listedName}
}

// listStreams applies the options of the stream listers and starts the listing
// of what they select.
func listStreams[T any](ctx context.Context, opts []StreamListOpt, list func(subject string) pagedList[T]) *lister[T] {
	var req streamsRequest
	if err := applyOpts(&req, opts); err != nil {
		return failedLister[T](err)
	}
	return startLister(ctx, list(req.Subject).each)
}

// startLister is [newLister] with the package's patience, for a context that
// may be nil.
func startLister[T any](ctx context.Context, list listing[T]) *lister[T] {
	if ctx == nil {
		return failedLister[T](nats.ErrInvalidContext)
	}
	return newLister(ctx, listerPatience, list)
}

func (js *jetStream) ListStreams(ctx context.Context, opts ...StreamListOpt) StreamInfoLister {
	return listStreams(ctx, opts, js.streamInfos)
}

func (js *jetStream) StreamNames(ctx context.Context, opts ...StreamListOpt) StreamNameLister {
	return listStreams(ctx, opts, js.streamNames)
}

func (s *stream) ListConsumers(ctx context.Context) ConsumerInfoLister {
	return startLister(ctx, s.js.consumerInfos(s.name).each)
}

func (s *stream) ConsumerNames(ctx context.Context) ConsumerNameLister {
	return startLister(ctx, s.js.consumerNames(s.name).each)
}
