package jetstream

const (
	// slabMax is how many values share an allocation at most, and slabPayload the
	// size of payload up to which they do. Whoever keeps one value of a slab keeps
	// the others with it, so the product bounds what that costs.
	slabMax     = 16
	slabPayload = 1 << 10
)

// slab makes values that stand for a message each, several to an allocation while
// there are many. It begins small, since most subscriptions of a program with many
// see few messages. It is not safe for concurrent use.
type slab[T any] struct {
	free []T
	size int
}

// next returns a value for a message with so many bytes of payload.
func (s *slab[T]) next(payload int) *T {
	if payload > slabPayload {
		return new(T)
	}
	if len(s.free) == 0 {
		s.size = min(max(2*s.size, 1), slabMax)
		s.free = make([]T, s.size)
	}
	v := &s.free[0]
	s.free = s.free[1:]
	return v
}
