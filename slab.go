package jetstream

import "sync"

// slabMax is how many values share an allocation at most.
const slabMax = 16

// slab makes values of one type, several to an allocation while there are many.
// It begins small, since most users of a program with many make few values.
// Whoever keeps a value keeps those it shares the allocation with. It is not safe
// for concurrent use.
type slab[T any] struct {
	free []T
	size int
}

// next returns a new value.
func (s *slab[T]) next() *T {
	if len(s.free) == 0 {
		s.size = min(max(2*s.size, 1), slabMax)
		s.free = make([]T, s.size)
	}
	v := &s.free[0]
	s.free = s.free[1:]
	return v
}

// sharedSlab is a slab for concurrent use.
type sharedSlab[T any] struct {
	slabs sync.Pool
}

// next returns a new value.
func (s *sharedSlab[T]) next() *T {
	own, _ := s.slabs.Get().(*slab[T])
	if own == nil {
		own = new(slab[T])
	}
	v := own.next()
	s.slabs.Put(own)
	return v
}
