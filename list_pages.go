package jetstream

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

const (
	// maxPagesAhead is how many pages of a listing are asked for in advance. On a
	// link with delay, that is how many pages take the time of one. It also bounds
	// what a listing holds while its reader stays away: 2,048 infos, which is
	// about 4 MiB.
	maxPagesAhead = 8

	// maxDetours is how often in a row a listing goes back without finding
	// anything new. The way doubles each time, so that few lead to the start of
	// any list.
	maxDetours = 16
)

// listPage is one page of a listing.
type listPage[T any] struct {
	items []T
	// missing has the names of entries the server could say nothing about.
	missing []string
	// span is the number of entries of the server's list the page covers. It
	// can exceed the number of items: missing entries have none.
	span int
	// total is the length of the server's list at the time of the reply, and
	// limit the most entries a page can have. Limit is 0 if the server does not
	// tell.
	total, limit int
}

// fetchPage gets the page that starts at an offset of the server's list.
type fetchPage[T any] func(ctx context.Context, offset int) (listPage[T], error)

// pagedList is a list the server hands out in pages. Servers sort lists by the
// names of their entries.
type pagedList[T any] struct {
	fetch fetchPage[T]
	name  func(T) string
	// memory is of former listings of the same list; nil if that is not kept.
	memory *pageMemory
}

// pageMemory is what is known of a list from the last time, such that the next
// listing can ask for all pages at once. If the list has changed, that is found
// out like any change during a listing.
type pageMemory struct {
	last atomic.Pointer[pageLayout]
}

// pageLayout says where the pages of a list begin.
type pageLayout struct{ stride, total int }

// recall returns the zero layout if there was one page or no listing.
func (m *pageMemory) recall() pageLayout {
	if m == nil {
		return pageLayout{}
	}
	if layout := m.last.Load(); layout != nil {
		return *layout
	}
	return pageLayout{}
}

func (m *pageMemory) keep(layout pageLayout) {
	if m != nil && m.recall() != layout {
		m.last.Store(&layout)
	}
}

// each calls do with the entries in their order, until it fails. Of those that
// are in the list from beginning to end, it omits none and repeats none, however
// many others come and go meanwhile.
//
// Pages are fetched in advance, each with the timeout its request comes with.
func (l pagedList[T]) each(ctx context.Context, do func(T) error) error {
	pages := pageFetcher[T]{ctx: ctx, fetch: l.fetch}
	defer pages.stop()
	cursor := listCursor[T]{name: l.name}
	if layout := l.memory.recall(); layout.stride > 0 {
		pages.request(0, layout.stride, layout.total)
	}
	for more := true; more; {
		page, err := pages.get(cursor.offset)
		if err != nil {
			return err
		}
		var fresh []T
		fresh, more, err = cursor.take(page)
		if more && cursor.stride > 0 {
			pages.request(cursor.offset, cursor.stride, page.total)
		}
		for _, item := range fresh {
			if err := do(item); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
		if !more {
			l.memory.keep(pageLayout{cursor.stride, page.total})
		}
	}
	return nil
}

// listCursor decides which entries of a page are new and which page is next.
//
// An offset counts from the start of a list that changes: an entry that is
// removed there makes the next page begin one too late, and one that is added
// makes it begin too early. So a page begins with the last entry of the page
// before. If it is there, or others with lower names are, nothing can be missing
// in between, and what the cursor is past already is left out. If it is not, the
// cursor goes back.
//
// That takes names in ascending order and full pages. If those are not what the
// first page has, entries are taken as they come, page after page.
type listCursor[T any] struct {
	name   func(T) string
	offset int // of the page that is next
	// stride is how far the offsets of two pages are apart, or 0 if they do not
	// overlap.
	stride  int
	begun   bool
	last    string // the name the cursor is at, if pages overlap
	detours int
}

// take returns the new entries of the page at the cursor's offset, and whether
// there are more pages. It fails if the page brings no progress.
func (c *listCursor[T]) take(page listPage[T]) (fresh []T, more bool, err error) {
	first, last := c.ends(page)
	if c.offset > 0 && c.stride > 0 && (page.span == 0 || first > c.last) && c.detours < maxDetours {
		c.offset = max(0, min(c.offset, page.total)-c.stride<<c.detours)
		c.detours++
		return nil, true, nil
	}
	fresh = page.items
	switch {
	case c.stride > 0:
		for len(fresh) > 0 && c.name(fresh[0]) <= c.last {
			fresh = fresh[1:]
		}
	case !c.begun && page.span > 1 && page.span == page.limit && c.ascending(page.items):
		c.stride = page.span - 1
	}
	c.begun = true
	c.last = max(c.last, last)
	if len(fresh) > 0 {
		c.detours = 0
	}
	end := c.offset + page.span
	switch {
	case end >= page.total:
		return fresh, false, nil
	case page.span == 0:
		return fresh, false, fmt.Errorf("%w: empty page at offset %d of %d", ErrInvalidJetStreamResponse, end, page.total)
	case c.stride > 0 && page.span > 1:
		c.offset = end - 1
	default:
		c.offset = end
	}
	return fresh, true, nil
}

// ends returns the lowest and the highest name in a page.
func (c *listCursor[T]) ends(page listPage[T]) (first, last string) {
	if n := len(page.items); n > 0 {
		first, last = c.name(page.items[0]), c.name(page.items[n-1])
	} else if len(page.missing) > 0 {
		first, last = page.missing[0], page.missing[0]
	}
	for _, name := range page.missing {
		first, last = min(first, name), max(last, name)
	}
	return first, last
}

func (c *listCursor[T]) ascending(items []T) bool {
	for i := 1; i < len(items); i++ {
		if c.name(items[i-1]) >= c.name(items[i]) {
			return false
		}
	}
	return true
}

// pageFetcher fetches pages, some of them in advance. It is for use by one
// goroutine.
type pageFetcher[T any] struct {
	ctx   context.Context
	fetch fetchPage[T]

	ahead    []pageRequest[T] // in the order of their offsets
	aheadCtx context.Context  // of their requests, nil if there are none
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

// pageRequest is a page that was asked for.
type pageRequest[T any] struct {
	offset int
	result chan pageResult[T] // has room for it
}

type pageResult[T any] struct {
	page listPage[T]
	err  error
}

// get returns the page at an offset.
func (f *pageFetcher[T]) get(offset int) (listPage[T], error) {
	f.expect(offset)
	if len(f.ahead) == 0 {
		return f.fetch(f.ctx, offset)
	}
	result := <-f.ahead[0].result // It comes at the end of the context or of the timeout.
	f.ahead = f.ahead[1:]
	return result.page, result.err
}

// request asks for the page at an offset and for those that follow in strides,
// up to the total or to as many as are allowed.
func (f *pageFetcher[T]) request(offset, stride, total int) {
	f.expect(offset)
	offset += stride * len(f.ahead)
	// The first entry of each page is that of another.
	for ; len(f.ahead) < maxPagesAhead && offset+1 < total; offset += stride {
		f.start(offset)
	}
}

// expect gives up the pages that were asked for if the one at the offset is not
// the first of them.
func (f *pageFetcher[T]) expect(offset int) {
	if len(f.ahead) > 0 && f.ahead[0].offset != offset {
		f.stop()
	}
}

func (f *pageFetcher[T]) start(offset int) {
	if f.cancel == nil {
		f.aheadCtx, f.cancel = context.WithCancel(f.ctx)
	}
	ctx, result := f.aheadCtx, make(chan pageResult[T], 1)
	f.ahead = append(f.ahead, pageRequest[T]{offset, result})
	// Ends with the request, and is waited for in stop.
	f.running.Go(func() {
		page, err := f.fetch(ctx, offset)
		result <- pageResult[T]{page, err}
	})
}

// stop gives up all pages that were asked for.
func (f *pageFetcher[T]) stop() {
	if f.cancel != nil {
		f.cancel()
		f.cancel = nil
	}
	f.running.Wait()
	f.ahead = nil
}
