package jetstream

import (
	"context"
	"sync/atomic"
)

// pullConsumer implements [Consumer] for a pull consumer of the server.
type pullConsumer struct {
	js     *jetStream
	stream string
	name   string
	info   atomic.Pointer[ConsumerInfo]

	pullHandle
}

func (c *pullConsumer) Info(ctx context.Context) (*ConsumerInfo, error) { panic("stub") }
func (c *pullConsumer) CachedInfo() *ConsumerInfo                       { return c.info.Load() }
