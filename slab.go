package jetstream

import (
	"strconv"
	"strings"
	"sync"
)

const (
	// slabMax is how many values share an allocation at most, and slabPayload the
	// size of payload up to which they do. Whoever keeps one value of a slab keeps
	// the others with it, so the product bounds what that costs.
	slabMax     = 32
	slabPayload = 1 << 10
)

// slab makes values of one type, several to an allocation while there are many.
// It begins small, since most users of a program with many make few values. It is
// not safe for concurrent use.
type slab[T any] struct {
	values []T
	used   int
}

// next returns a new value that is to hold so many bytes of payload.
func (s *slab[T]) next(payload int) *T {
	if payload > slabPayload {
		return new(T)
	}
	if s.used == len(s.values) {
		s.values, s.used = make([]T, min(max(2*s.used, 1), slabMax)), 0
	}
	v := &s.values[s.used]
	s.used++
	return v
}

// sharedSlab is a slab for concurrent use.
type sharedSlab[T any] struct {
	slabs sync.Pool
}

// next returns a new value that is to hold so many bytes of payload.
func (s *sharedSlab[T]) next(payload int) *T {
	if payload > slabPayload {
		return new(T)
	}
	own, _ := s.slabs.Get().(*slab[T])
	if own == nil {
		own = new(slab[T])
	}
	v := own.next(payload)
	s.slabs.Put(own)
	return v
}

const (
	// textChunkSize is how many bytes of text share an allocation.
	textChunkSize = 4 << 10

	// textMax is the length from which on a text stands alone.
	textMax = textChunkSize / 8
)

// textChunk holds texts, one behind the other. What was written stays as it is,
// so texts of a chunk can be read while others are added.
type textChunk struct {
	text strings.Builder
}

// textChunks are the chunks with room left. Nobody waits for one.
var textChunks = sync.Pool{New: func() any { return new(textChunk) }}

// takeTextChunk returns a chunk with room for a text of the given size. The caller
// gives it back with cut.
func takeTextChunk(size int) (c *textChunk, start int) {
	c = textChunks.Get().(*textChunk)
	if c.text.Cap()-c.text.Len() < size {
		c.text.Reset()
		c.text.Grow(textChunkSize)
	}
	return c, c.text.Len()
}

// cut returns the text that was written from start on.
func (c *textChunk) cut(start int) string {
	text := c.text.String()[start:]
	textChunks.Put(c)
	return text
}

// joinText returns first and the rest as one string, such as the subject of a
// request. It is for strings that are not kept: one that is keeps the chunk it
// was cut from.
func joinText(first string, rest ...string) string {
	size := len(first)
	for _, part := range rest {
		size += len(part)
	}
	if size > textMax {
		return first + strings.Join(rest, "")
	}
	c, start := takeTextChunk(size)
	c.text.WriteString(first)
	for _, part := range rest {
		c.text.WriteString(part)
	}
	return c.cut(start)
}

// joinNumber is joinText for a text and a number.
func joinNumber(text string, number uint64) string {
	var digits [20]byte
	d := strconv.AppendUint(digits[:0], number, 10)
	if len(text)+len(d) > textMax {
		return text + string(d)
	}
	c, start := takeTextChunk(len(text) + len(d))
	c.text.WriteString(text)
	c.text.Write(d)
	return c.cut(start)
}
