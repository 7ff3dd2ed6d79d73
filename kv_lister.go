package jetstream

import (
	"context"
	"slices"
	"strings"
)

// kvAllSubjects has a subject in common with every bucket that is not a mirror.
const kvAllSubjects = "$KV.*.>"

// bucketLister implements the listers of buckets and object stores.
type bucketLister[T any] struct {
	*lister[T]
}

var (
	_ KeyValueNamesLister = bucketLister[string]{}
	_ KeyValueLister      = bucketLister[KeyValueStatus]{}
)

func (l bucketLister[T]) Status() <-chan T { return l.items }

func (l bucketLister[T]) Error() error { return l.Err() }

func (js *jetStream) KeyValueStoreNames(ctx context.Context) KeyValueNamesLister {
	return bucketLister[string]{startLister(ctx, func(ctx context.Context, emit func(string) error) error {
		return eachBucket(ctx, js, js.streamNames(kvAllSubjects), func(name string) error {
			return emit(strings.TrimPrefix(name, kvStreamPrefix))
		}, func(mirror *StreamInfo) error {
			return emit(strings.TrimPrefix(mirror.Config.Name, kvStreamPrefix))
		})
	})}
}

func (js *jetStream) KeyValueStores(ctx context.Context) KeyValueLister {
	return bucketLister[KeyValueStatus]{startLister(ctx, func(ctx context.Context, emit func(KeyValueStatus) error) error {
		status := func(info *StreamInfo) error {
			return emit(&KeyValueBucketStatus{info: info, bucket: strings.TrimPrefix(info.Config.Name, kvStreamPrefix)})
		}
		return eachBucket(ctx, js, js.streamInfos(kvAllSubjects), status, status)
	})}
}

// eachBucket goes through all buckets: it calls bucket for the streams that have
// subjects of a bucket, which the server selects, and then mirror for the
// mirrors of buckets. A mirror has no subjects, so it is found by its name and
// told from other streams by its config.
func eachBucket[S any](ctx context.Context, js *jetStream, streams pagedList[S], bucket func(S) error, mirror func(*StreamInfo) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	named := make(chan error, 1)
	var names []string
	// Ends with the requests, at the latest when this function does.
	go func() {
		named <- js.streamNames("").each(ctx, func(name string) error {
			if strings.HasPrefix(name, kvStreamPrefix) {
				names = append(names, name)
			}
			return nil
		})
	}()
	listed := make(map[string]struct{})
	err := streams.each(ctx, func(stream S) error {
		name := streams.name(stream)
		if !strings.HasPrefix(name, kvStreamPrefix) {
			return nil
		}
		listed[name] = struct{}{}
		return bucket(stream)
	})
	if err != nil {
		cancel()
		<-named //nolint:errcheck // it is for the same reason, or of no interest any more
		return err
	}
	if err := <-named; err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(name string) bool { _, ok := listed[name]; return ok })
	for some := range slices.Chunk(names, maxPagesAhead) {
		if err := eachMirror(ctx, js, some, mirror); err != nil {
			return err
		}
	}
	return nil
}

// eachMirror calls do for those of the streams that are mirrors of buckets. It
// asks for all of them at once.
func eachMirror(ctx context.Context, js *jetStream, names []string, do func(*StreamInfo) error) error {
	type lookUp struct {
		name string
		info *StreamInfo
	}
	streams := make([]*lookUp, len(names))
	for i, name := range names {
		streams[i] = &lookUp{name: name}
	}
	err := eachInParallel(ctx, len(streams), streams, func(ctx context.Context, s *lookUp) (err error) {
		s.info, err = js.streamInfo(ctx, s.name)
		if err == ErrStreamNotFound { // deleted meanwhile
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, s := range streams {
		if s.info == nil || s.info.Config.Mirror == nil || s.info.Config.MaxMsgsPerSubject < 1 {
			continue
		}
		if err := do(s.info); err != nil {
			return err
		}
	}
	return nil
}
