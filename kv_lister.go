package jetstream

import (
	"context"
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
	bucket := func(name string) (string, string) { return name, strings.TrimPrefix(name, kvStreamPrefix) }
	mirror := func(info *StreamInfo) string { return strings.TrimPrefix(info.Config.Name, kvStreamPrefix) }
	return bucketLister[string]{startLister(ctx, bucketPages(js, js.streamNamePages(kvAllSubjects), bucket, mirror))}
}

func (js *jetStream) KeyValueStores(ctx context.Context) KeyValueLister {
	status := func(info *StreamInfo) KeyValueStatus {
		return &KeyValueBucketStatus{info: info, bucket: strings.TrimPrefix(info.Config.Name, kvStreamPrefix)}
	}
	bucket := func(info *StreamInfo) (string, KeyValueStatus) { return info.Config.Name, status(info) }
	return bucketLister[KeyValueStatus]{startLister(ctx, bucketPages(js, js.streamInfoPages(kvAllSubjects), bucket, status))}
}

// bucketPages returns the pages of all buckets: those with subjects of a bucket,
// which the server selects, and then the mirrors of buckets. A mirror has no
// subjects, so it is found by its name and told from other streams by its
// config. The items are what bucket makes of an entry of streams, beside the
// name of the stream, and what mirror makes of the info of a mirror.
//
// The result is for one listing.
func bucketPages[S, T any](js *jetStream, streams fetchPage[S], bucket func(S) (stream string, item T), mirror func(*StreamInfo) T) fetchPage[T] {
	var (
		names   = js.streamNamePages("")
		seen    = make(map[string]struct{})
		start   int // of the mirrors in the joint list
		mirrors bool
	)
	return func(ctx context.Context, offset int) (listPage[T], error) {
		var page listPage[T]
		if !mirrors {
			found, err := streams(ctx, offset)
			if err != nil {
				return page, err
			}
			for _, entry := range found.items {
				if name, item := bucket(entry); strings.HasPrefix(name, kvStreamPrefix) {
					seen[name] = struct{}{}
					page.items = append(page.items, item)
				}
			}
			page.span, page.total = found.span, found.total
			start = offset + found.span
			if start < found.total {
				return page, nil
			}
			mirrors = true
			if found.span > 0 {
				page.total = start + 1 // for the listing to go on
				return page, nil
			}
		}
		found, err := names(ctx, offset-start)
		if err != nil {
			return page, err
		}
		for _, name := range found.items {
			if _, listed := seen[name]; listed || !strings.HasPrefix(name, kvStreamPrefix) {
				continue
			}
			info, err := js.streamInfo(ctx, name, nil)
			switch {
			case err == ErrStreamNotFound: // deleted meanwhile
			case err != nil:
				return page, err
			case info.Config.Mirror != nil && info.Config.MaxMsgsPerSubject > 0:
				page.items = append(page.items, mirror(info))
			}
		}
		page.span, page.total = found.span, start+found.total
		return page, nil
	}
}
