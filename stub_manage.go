package jetstream

import (
	"context"
	"time"
)

// STUB: to be replaced by stream.go, consumer.go, lister.go
type StreamManager interface {
	CreateStream(ctx context.Context, cfg StreamConfig) (Stream, error)
	UpdateStream(ctx context.Context, cfg StreamConfig) (Stream, error)
	CreateOrUpdateStream(ctx context.Context, cfg StreamConfig) (Stream, error)
	Stream(ctx context.Context, stream string) (Stream, error)
	StreamNameBySubject(ctx context.Context, subject string) (string, error)
	DeleteStream(ctx context.Context, stream string) error
	ListStreams(context.Context, ...StreamListOpt) StreamInfoLister
	StreamNames(context.Context, ...StreamListOpt) StreamNameLister
}

type StreamConsumerManager interface {
	CreateOrUpdateConsumer(ctx context.Context, stream string, cfg ConsumerConfig) (Consumer, error)
	CreateConsumer(ctx context.Context, stream string, cfg ConsumerConfig) (Consumer, error)
	UpdateConsumer(ctx context.Context, stream string, cfg ConsumerConfig) (Consumer, error)
	Consumer(ctx context.Context, stream string, consumer string) (Consumer, error)
	DeleteConsumer(ctx context.Context, stream string, consumer string) error
	PauseConsumer(ctx context.Context, stream string, consumer string, pauseUntil time.Time) (*ConsumerPauseResponse, error)
	ResumeConsumer(ctx context.Context, stream string, consumer string) (*ConsumerPauseResponse, error)
	ResetConsumer(ctx context.Context, stream, consumer string) (*ConsumerResetResponse, error)
	ResetConsumerToSequence(ctx context.Context, stream, consumer string, seq uint64) (*ConsumerResetResponse, error)
}

type Stream interface {
	ConsumerManager
	Info(ctx context.Context, opts ...StreamInfoOpt) (*StreamInfo, error)
	CachedInfo() *StreamInfo
	Purge(ctx context.Context, opts ...StreamPurgeOpt) error
	GetMsg(ctx context.Context, seq uint64, opts ...GetMsgOpt) (*RawStreamMsg, error)
	GetLastMsgForSubject(ctx context.Context, subject string) (*RawStreamMsg, error)
	DeleteMsg(ctx context.Context, seq uint64) error
	SecureDeleteMsg(ctx context.Context, seq uint64) error
}

type ConsumerManager interface {
	CreateOrUpdateConsumer(ctx context.Context, cfg ConsumerConfig) (Consumer, error)
	CreateConsumer(ctx context.Context, cfg ConsumerConfig) (Consumer, error)
	UpdateConsumer(ctx context.Context, cfg ConsumerConfig) (Consumer, error)
	Consumer(ctx context.Context, consumer string) (Consumer, error)
	DeleteConsumer(ctx context.Context, consumer string) error
	PauseConsumer(ctx context.Context, consumer string, pauseUntil time.Time) (*ConsumerPauseResponse, error)
	ResumeConsumer(ctx context.Context, consumer string) (*ConsumerPauseResponse, error)
	ListConsumers(context.Context) ConsumerInfoLister
	ConsumerNames(context.Context) ConsumerNameLister
	UnpinConsumer(ctx context.Context, consumer string, group string) error
	ResetConsumer(ctx context.Context, consumer string) (*ConsumerResetResponse, error)
	ResetConsumerToSequence(ctx context.Context, consumer string, seq uint64) (*ConsumerResetResponse, error)
}

type StreamInfoLister interface {
	Info() <-chan *StreamInfo
	Err() error
}

type StreamNameLister interface {
	Name() <-chan string
	Err() error
}

type ConsumerInfoLister interface {
	Info() <-chan *ConsumerInfo
	Err() error
}

type ConsumerNameLister interface {
	Name() <-chan string
	Err() error
}

type StreamPurgeRequest struct {
	Sequence uint64 `json:"seq,omitempty"`
	Subject  string `json:"filter,omitempty"`
	Keep     uint64 `json:"keep,omitempty"`
}

type StreamListOpt func(*streamsRequest) error
type streamsRequest struct{}
type StreamInfoOpt func(*streamInfoRequest) error
type streamInfoRequest struct{}
type GetMsgOpt func(*apiMsgGetRequest) error
type apiMsgGetRequest struct{}
type StreamPurgeOpt func(*StreamPurgeRequest) error

func (js *jetStream) CreateStream(ctx context.Context, cfg StreamConfig) (Stream, error) {
	panic("stub")
}
func (js *jetStream) UpdateStream(ctx context.Context, cfg StreamConfig) (Stream, error) {
	panic("stub")
}
func (js *jetStream) CreateOrUpdateStream(ctx context.Context, cfg StreamConfig) (Stream, error) {
	panic("stub")
}
func (js *jetStream) Stream(ctx context.Context, stream string) (Stream, error) { panic("stub") }
func (js *jetStream) StreamNameBySubject(ctx context.Context, subject string) (string, error) {
	panic("stub")
}
func (js *jetStream) DeleteStream(ctx context.Context, stream string) error          { panic("stub") }
func (js *jetStream) ListStreams(context.Context, ...StreamListOpt) StreamInfoLister { panic("stub") }
func (js *jetStream) StreamNames(context.Context, ...StreamListOpt) StreamNameLister { panic("stub") }
func (js *jetStream) CreateOrUpdateConsumer(ctx context.Context, stream string, cfg ConsumerConfig) (Consumer, error) {
	panic("stub")
}
func (js *jetStream) CreateConsumer(ctx context.Context, stream string, cfg ConsumerConfig) (Consumer, error) {
	panic("stub")
}
func (js *jetStream) UpdateConsumer(ctx context.Context, stream string, cfg ConsumerConfig) (Consumer, error) {
	panic("stub")
}
func (js *jetStream) Consumer(ctx context.Context, stream string, consumer string) (Consumer, error) {
	panic("stub")
}
func (js *jetStream) DeleteConsumer(ctx context.Context, stream string, consumer string) error {
	panic("stub")
}
func (js *jetStream) PauseConsumer(ctx context.Context, stream string, consumer string, pauseUntil time.Time) (*ConsumerPauseResponse, error) {
	panic("stub")
}
func (js *jetStream) ResumeConsumer(ctx context.Context, stream string, consumer string) (*ConsumerPauseResponse, error) {
	panic("stub")
}
func (js *jetStream) ResetConsumer(ctx context.Context, stream, consumer string) (*ConsumerResetResponse, error) {
	panic("stub")
}
func (js *jetStream) ResetConsumerToSequence(ctx context.Context, stream, consumer string, seq uint64) (*ConsumerResetResponse, error) {
	panic("stub")
}
