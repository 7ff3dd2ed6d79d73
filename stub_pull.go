package jetstream

import (
	"context"

	"time"

	"github.com/nats-io/nats.go"
)

// STUB: to be replaced by message.go, pull.go, fetch.go, pull_options.go
type Consumer interface {
	Fetch(batch int, opts ...FetchOpt) (MessageBatch, error)
	FetchBytes(maxBytes int, opts ...FetchOpt) (MessageBatch, error)
	FetchNoWait(batch int) (MessageBatch, error)
	Consume(handler MessageHandler, opts ...PullConsumeOpt) (ConsumeContext, error)
	Messages(opts ...PullMessagesOpt) (MessagesContext, error)
	Next(opts ...FetchOpt) (Msg, error)
	Info(context.Context) (*ConsumerInfo, error)
	CachedInfo() *ConsumerInfo
}

type ConsumeContext interface {
	Stop()
	Drain()
	Closed() <-chan struct{}
}

type MessagesContext interface {
	Next(opts ...NextOpt) (Msg, error)
	Stop()
	Drain()
}

type MessageBatch interface {
	Messages() <-chan Msg
	Error() error
}

type Msg interface {
	Metadata() (*MsgMetadata, error)
	Data() []byte
	Headers() nats.Header
	Subject() string
	Reply() string
	Ack() error
	DoubleAck(context.Context) error
	Nak() error
	NakWithDelay(delay time.Duration) error
	InProgress() error
	Term() error
	TermWithReason(reason string) error
}

type MsgMetadata struct {
	Sequence     SequencePair
	NumDelivered uint64
	NumPending   uint64
	Timestamp    time.Time
	Stream       string
	Consumer     string
	Domain       string
}

type SequencePair struct {
	Consumer uint64 `json:"consumer_seq"`
	Stream   uint64 `json:"stream_seq"`
}

type MessageHandler func(msg Msg)
type FetchOpt func(*pullRequest) error
type pullRequest struct{}
type PullConsumeOpt interface{ configureConsume() error }
type PullMessagesOpt interface{ configureMessages() error }
type NextOpt interface{ configureNext() error }

// pullHandle is the part of a pullConsumer that its consuming methods own.
type pullHandle struct{}

var _ nats.Header
var _ context.Context

func (c *pullConsumer) Fetch(batch int, opts ...FetchOpt) (MessageBatch, error) { panic("stub") }
func (c *pullConsumer) FetchBytes(maxBytes int, opts ...FetchOpt) (MessageBatch, error) {
	panic("stub")
}
func (c *pullConsumer) FetchNoWait(batch int) (MessageBatch, error) { panic("stub") }
func (c *pullConsumer) Consume(handler MessageHandler, opts ...PullConsumeOpt) (ConsumeContext, error) {
	panic("stub")
}
func (c *pullConsumer) Messages(opts ...PullMessagesOpt) (MessagesContext, error) { panic("stub") }
func (c *pullConsumer) Next(opts ...FetchOpt) (Msg, error)                        { panic("stub") }
