package jetstream

import (
	"context"
	"sync"
)

// pinStore keeps the pin ids of a consumer handle, one for each priority group.
//
// The server pins a group to one client and knows it by the id it was given
// last. The fetch methods of a handle act as one client and share the stored
// id. Each Consume and Messages is a client of its own, since two of them on one
// handle must not both count as the pinned one: it takes the id out of the store
// when it starts and returns the one it has when it ends.
type pinStore struct {
	mu  sync.Mutex
	ids map[string]string
}

// take removes and returns the id of the group.
func (p *pinStore) take(group string) string {
	if group == "" {
		return ""
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	id := p.ids[group]
	delete(p.ids, group)
	return id
}

// give stores an id unless it is empty.
func (p *pinStore) give(group, id string) {
	if group == "" || id == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ids == nil {
		p.ids = make(map[string]string)
	}
	p.ids[group] = id
}

// get returns the id of the group and leaves it in the store.
func (p *pinStore) get(group string) string {
	if group == "" {
		return ""
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ids[group]
}

// drop forgets an id the server no longer accepts, unless another one has been
// stored since.
func (p *pinStore) drop(group, id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ids[group] == id {
		delete(p.ids, group)
	}
}

// checkConsumable refuses, before anything is sent, what the server is bound to
// refuse.
func (c *pullConsumer) checkConsumable(group string) error {
	if err := c.checkPull(); err != nil {
		return err
	}
	return checkPriorityGroup(c.CachedInfo(), group)
}

// checkPull refuses to pull from a consumer that pushes.
func (c *pullConsumer) checkPull() error {
	if info := c.CachedInfo(); info != nil && info.Config.DeliverSubject != "" {
		return ErrNotPullConsumer
	}
	return nil
}

// confirmGone asks the server for the consumer and returns [ErrConsumerNotFound]
// or [ErrStreamNotFound] if it clearly is gone, and nil otherwise.
func (c *pullConsumer) confirmGone(ctx context.Context) error {
	_, err := c.js.consumerInfo(ctx, c.stream, c.name)
	switch err := mapAPIError(err, ErrStreamNotFound); err {
	case ErrConsumerNotFound, ErrStreamNotFound:
		return err
	default:
		return nil
	}
}
