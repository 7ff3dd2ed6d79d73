package jetstream

import (
	"context"

	"github.com/nats-io/nats.go"
)

type Publisher interface {
	Publish(ctx context.Context, subject string, payload []byte, opts ...PublishOpt) (*PubAck, error)
	PublishMsg(ctx context.Context, msg *nats.Msg, opts ...PublishOpt) (*PubAck, error)
	PublishAsync(subject string, payload []byte, opts ...PublishOpt) (PubAckFuture, error)
	PublishMsgAsync(msg *nats.Msg, opts ...PublishOpt) (PubAckFuture, error)
	PublishAsyncPending() int
	PublishAsyncComplete() <-chan struct{}
	CleanupPublisher()
}

type PubAck struct {
	Stream    string `json:"stream"`
	Sequence  uint64 `json:"seq"`
	Duplicate bool   `json:"duplicate,omitempty"`
	Domain    string `json:"domain,omitempty"`
	Value     string `json:"val,omitempty"`
}

type PubAckFuture interface {
	Ok() <-chan *PubAck
	Err() <-chan error
	Msg() *nats.Msg
}

type MsgErrHandler func(JetStream, *nats.Msg, error)
type MsgAckHandler func(JetStream, *nats.Msg, *PubAck)
type PublishOpt func(*pubOpts) error
type pubOpts struct{}
type asyncPublisher struct{}

func (js *jetStream) Publish(ctx context.Context, subject string, payload []byte, opts ...PublishOpt) (*PubAck, error) {
	panic("stub")
}
func (js *jetStream) PublishMsg(ctx context.Context, msg *nats.Msg, opts ...PublishOpt) (*PubAck, error) {
	panic("stub")
}
func (js *jetStream) PublishAsync(subject string, payload []byte, opts ...PublishOpt) (PubAckFuture, error) {
	panic("stub")
}
func (js *jetStream) PublishMsgAsync(msg *nats.Msg, opts ...PublishOpt) (PubAckFuture, error) {
	panic("stub")
}
func (js *jetStream) PublishAsyncPending() int              { panic("stub") }
func (js *jetStream) PublishAsyncComplete() <-chan struct{} { panic("stub") }
func (js *jetStream) CleanupPublisher()                     { panic("stub") }
