package jetstream

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// StreamConsumerManager manages the consumers of streams given by name.
// [JetStream] implements it. Its methods are those of [ConsumerManager] with the
// stream's name in front; they refuse an empty one with [ErrStreamNameRequired]
// and one that cannot be a subject token with [ErrInvalidStreamName]. The stream
// is not looked up first.
type StreamConsumerManager interface {
	// CreateOrUpdateConsumer is [ConsumerManager.CreateOrUpdateConsumer] for a
	// consumer of the given stream.
	CreateOrUpdateConsumer(ctx context.Context, stream string, cfg ConsumerConfig) (Consumer, error)

	// CreateConsumer is [ConsumerManager.CreateConsumer] for a consumer of the
	// given stream.
	CreateConsumer(ctx context.Context, stream string, cfg ConsumerConfig) (Consumer, error)

	// UpdateConsumer is [ConsumerManager.UpdateConsumer] for a consumer of the
	// given stream.
	UpdateConsumer(ctx context.Context, stream string, cfg ConsumerConfig) (Consumer, error)

	// OrderedConsumer is [ConsumerManager.OrderedConsumer] for the given stream.
	OrderedConsumer(ctx context.Context, stream string, cfg OrderedConsumerConfig) (Consumer, error)

	// Consumer is [ConsumerManager.Consumer] for a consumer of the given stream.
	Consumer(ctx context.Context, stream string, consumer string) (Consumer, error)

	// DeleteConsumer is [ConsumerManager.DeleteConsumer] for a consumer of the
	// given stream.
	DeleteConsumer(ctx context.Context, stream string, consumer string) error

	// PauseConsumer is [ConsumerManager.PauseConsumer] for a consumer of the
	// given stream.
	PauseConsumer(ctx context.Context, stream string, consumer string, pauseUntil time.Time) (*ConsumerPauseResponse, error)

	// ResumeConsumer is [ConsumerManager.ResumeConsumer] for a consumer of the
	// given stream.
	ResumeConsumer(ctx context.Context, stream string, consumer string) (*ConsumerPauseResponse, error)

	// ResetConsumer is [ConsumerManager.ResetConsumer] for a consumer of the
	// given stream.
	ResetConsumer(ctx context.Context, stream, consumer string) (*ConsumerResetResponse, error)

	// ResetConsumerToSequence is [ConsumerManager.ResetConsumerToSequence] for a
	// consumer of the given stream.
	ResetConsumerToSequence(ctx context.Context, stream, consumer string, seq uint64) (*ConsumerResetResponse, error)

	// CreateOrUpdatePushConsumer is [ConsumerManager.CreateOrUpdatePushConsumer]
	// for a consumer of the given stream.
	CreateOrUpdatePushConsumer(ctx context.Context, stream string, cfg ConsumerConfig) (PushConsumer, error)

	// CreatePushConsumer is [ConsumerManager.CreatePushConsumer] for a consumer
	// of the given stream.
	CreatePushConsumer(ctx context.Context, stream string, cfg ConsumerConfig) (PushConsumer, error)

	// UpdatePushConsumer is [ConsumerManager.UpdatePushConsumer] for a consumer
	// of the given stream.
	UpdatePushConsumer(ctx context.Context, stream string, cfg ConsumerConfig) (PushConsumer, error)

	// PushConsumer is [ConsumerManager.PushConsumer] for a consumer of the given
	// stream.
	PushConsumer(ctx context.Context, stream string, consumer string) (PushConsumer, error)
}

// ConsumerManager manages the consumers of one stream. [Stream] implements it.
//
// Names of consumers that are empty or cannot be a subject token are refused
// with [ErrInvalidConsumerName] before anything is sent. Errors of the server
// are of type *[APIError]; where a method documents a sentinel without saying
// how to compare, errors.Is finds it.
type ConsumerManager interface {
	// CreateOrUpdateConsumer creates a consumer, or changes the config of the
	// one that exists under the name. The name is the config's Name or, if that
	// is empty, Durable; without either, a name is made up.
	//
	// It returns [ErrStreamNotFound] if there is no such stream,
	// [ErrMaximumConsumersLimit] if the stream or account can have no more,
	// [ErrInvalidSubject] for a malformed filter subject, and for filters
	// [ErrDuplicateFilterSubjects], [ErrOverlappingFilterSubjects] and
	// [ErrEmptyFilter]. A change the server does not allow is
	// [ErrConsumerCreate]. If the server is too old for several filter
	// subjects, the consumer exists without them and the error is
	// [ErrConsumerMultipleFilterSubjectsNotSupported].
	CreateOrUpdateConsumer(ctx context.Context, cfg ConsumerConfig) (Consumer, error)

	// CreateConsumer creates a consumer. If it exists with exactly this config,
	// that is a success too; if it exists with another one, the error is
	// [ErrConsumerExists]. Apart from that it is like CreateOrUpdateConsumer.
	CreateConsumer(ctx context.Context, cfg ConsumerConfig) (Consumer, error)

	// UpdateConsumer changes the config of a consumer. If there is none, the
	// error is [ErrConsumerDoesNotExist]. Apart from that it is like
	// CreateOrUpdateConsumer.
	UpdateConsumer(ctx context.Context, cfg ConsumerConfig) (Consumer, error)

	// OrderedConsumer makes a consumer that delivers the stream's messages in
	// strict order, without gaps and without acknowledgements, to this client
	// alone. It is made of short-lived consumers in the server's memory: when one
	// is lost, or misses a message, or the connection was interrupted, the next
	// takes up behind the last message that was delivered. The first one is
	// created right here, and its creation decides where "new" and "last" are.
	//
	// An ordered consumer is used either for one Consume or Messages at a time, or
	// for one fetch at a time; the first use decides. A use that does not fit is
	// refused with [ErrOrderConsumerUsedAsFetch], [ErrOrderConsumerUsedAsConsume]
	// or [ErrOrderedConsumerConcurrentRequests]. Consuming ends with
	// [ErrStreamNotFound] when the stream is deleted, and with the last error when
	// MaxResetAttempts attempts in a row to replace the consumer have failed.
	OrderedConsumer(ctx context.Context, cfg OrderedConsumerConfig) (Consumer, error)

	// Consumer returns a handle of an existing pull consumer, with its current
	// info in the cache. Every call makes a handle of its own. It returns
	// [ErrConsumerNotFound] if there is no such consumer, [ErrStreamNotFound] if
	// there is no such stream, and [ErrNotPullConsumer] for a push consumer.
	Consumer(ctx context.Context, consumer string) (Consumer, error)

	// DeleteConsumer deletes a consumer with its delivery state. It returns
	// [ErrConsumerNotFound] if there is no such consumer.
	DeleteConsumer(ctx context.Context, consumer string) error

	// PauseConsumer stops deliveries to the consumer's clients until the given
	// time. A time that is not in the future resumes it. It returns
	// [ErrConsumerNotFound] if there is no such consumer.
	PauseConsumer(ctx context.Context, consumer string, pauseUntil time.Time) (*ConsumerPauseResponse, error)

	// ResumeConsumer ends a pause. Resuming a consumer that is not paused is no
	// error. It returns [ErrConsumerNotFound] if there is no such consumer.
	ResumeConsumer(ctx context.Context, consumer string) (*ConsumerPauseResponse, error)

	// ListConsumers lists the stream's consumers with their infos. It returns
	// at once and asks the server for pages of 256 in the background while they
	// are read. What ends it is the same as for [StreamManager.ListStreams].
	ListConsumers(context.Context) ConsumerInfoLister

	// ConsumerNames is ListConsumers for names only, in pages of 1024.
	ConsumerNames(context.Context) ConsumerNameLister

	// UnpinConsumer makes a consumer with [PriorityPolicyPinned] let go of the
	// client that a priority group is pinned to, so that another one is chosen.
	// It returns [ErrConsumerNotFound] if there is no such consumer.
	UnpinConsumer(ctx context.Context, consumer string, group string) error

	// ResetConsumer takes a consumer back to right after its ack floor: what was
	// delivered since but not acknowledged is forgotten and delivered anew.
	//
	// There is nobody to respond for a consumer that does not exist, so that
	// ends in the context's error. An empty response is
	// [ErrConsumerResetResponseEmpty].
	ResetConsumer(ctx context.Context, consumer string) (*ConsumerResetResponse, error)

	// ResetConsumerToSequence is ResetConsumer to a given sequence of the
	// stream, ahead or back. The consumer's config limits where it can go;
	// beyond, the error is [ErrConsumerInvalidReset]. Zero means the ack floor.
	ResetConsumerToSequence(ctx context.Context, consumer string, seq uint64) (*ConsumerResetResponse, error)

	// CreateOrUpdatePushConsumer is CreateOrUpdateConsumer for a push consumer,
	// which has a DeliverSubject; without one it returns [ErrNotPushConsumer]
	// and sends nothing.
	CreateOrUpdatePushConsumer(ctx context.Context, cfg ConsumerConfig) (PushConsumer, error)

	// CreatePushConsumer is CreateConsumer for a push consumer.
	CreatePushConsumer(ctx context.Context, cfg ConsumerConfig) (PushConsumer, error)

	// UpdatePushConsumer is UpdateConsumer for a push consumer.
	UpdatePushConsumer(ctx context.Context, cfg ConsumerConfig) (PushConsumer, error)

	// PushConsumer returns a handle of an existing push consumer, as Consumer
	// does for pull consumers. It returns [ErrNotPushConsumer] for a pull
	// consumer.
	PushConsumer(ctx context.Context, consumer string) (PushConsumer, error)
}

// consumerHandle is what handles of pull and push consumers have in common.
type consumerHandle struct {
	js     *jetStream
	stream string
	name   string
	info   atomic.Pointer[ConsumerInfo]
}

// pullConsumer implements [Consumer] for a pull consumer of the server.
type pullConsumer struct {
	consumerHandle

	nextSubject string // of pull requests
	pins        pinStore
	// refusals counts fetches in a row that nobody answered.
	refusals atomic.Int32
}

func newPullConsumer(js *jetStream, stream string, info *ConsumerInfo) *pullConsumer {
	c := &pullConsumer{
		consumerHandle: consumerHandle{js: js, stream: stream, name: info.Name},
		nextSubject:    js.prefix + "CONSUMER.MSG.NEXT." + stream + "." + info.Name,
	}
	c.info.Store(info)
	return c
}

func (c *consumerHandle) Info(ctx context.Context) (*ConsumerInfo, error) {
	before := c.info.Load()
	info, err := c.js.consumerInfo(ctx, c.stream, c.name)
	if err != nil {
		return nil, err
	}
	storeInfo(&c.info, before, info, consumerInfoTime)
	return info, nil
}

func (c *consumerHandle) CachedInfo() *ConsumerInfo { return c.info.Load() }

func consumerInfoTime(info *ConsumerInfo) time.Time { return info.TimeStamp }

// consumerAction tells the server whether a consumer may or must exist already.
type consumerAction string

const (
	actionCreateOrUpdate consumerAction = ""
	actionCreate         consumerAction = "create"
	actionUpdate         consumerAction = "update"
)

// consumerCreateRequest is the body of CONSUMER.CREATE.
type consumerCreateRequest struct {
	Stream string          `json:"stream_name"`
	Config *ConsumerConfig `json:"config"`
	Action consumerAction  `json:"action"`
}

// consumerInfoResponse is the reply to requests that end in a consumer's info.
// The pointer stays nil when the reply has none of an info's fields.
type consumerInfoResponse struct {
	apiResponse
	*ConsumerInfo
}

// putConsumer creates or updates a consumer of any kind. Of the names, it checks
// the consumer's.
func (js *jetStream) putConsumer(ctx context.Context, stream string, cfg *ConsumerConfig, action consumerAction) (*ConsumerInfo, error) {
	const typical = 512 // of the size of a request in bytes
	body, err := appendConsumerCreateRequest(make([]byte, 0, typical), stream, cfg, action)
	if err != nil {
		return nil, err
	}
	name := effectiveConsumerName(cfg)
	if name == "" {
		name = generateConsumerName()
	} else if err := validateConsumerName(name); err != nil {
		return nil, err
	}
	subject := "CONSUMER.CREATE." + stream + "." + name
	// The filter is part of the subject so that permissions can be granted for
	// it. There is no such place for several filters.
	if cfg.FilterSubject != "" && len(cfg.FilterSubjects) == 0 {
		if err := validateSubject(cfg.FilterSubject); err != nil {
			return nil, err
		}
		subject += "." + cfg.FilterSubject
	}
	var resp consumerInfoResponse
	if err := js.call(ctx, subject, body, &resp); err != nil {
		return nil, mapAPIError(err, ErrStreamNotFound, ErrMaximumConsumersLimit)
	}
	if resp.ConsumerInfo == nil {
		return nil, ErrConsumerCreationResponseEmpty
	}
	if len(cfg.FilterSubjects) > 0 && len(resp.Config.FilterSubjects) == 0 {
		return nil, ErrConsumerMultipleFilterSubjectsNotSupported
	}
	return resp.ConsumerInfo, nil
}

// effectiveConsumerName returns the name a config asks for, if any.
func effectiveConsumerName(cfg *ConsumerConfig) string {
	if cfg.Name != "" {
		return cfg.Name
	}
	return cfg.Durable
}

// generateConsumerName makes up a name of 8 letters and digits.
func generateConsumerName() string {
	const (
		digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		base   = uint64(len(digits))
		names  = base * base * base * base * base * base * base * base
	)
	n := rand.Uint64N(names)
	var name [8]byte
	for i := range name {
		name[i] = digits[n%base]
		n /= base
	}
	return string(name[:])
}

// putPullConsumer is putConsumer with a handle for pulling as the result. A
// config with a deliver subject is let through: it makes a push consumer, whose
// handle is of use for its info.
func (js *jetStream) putPullConsumer(ctx context.Context, stream string, cfg *ConsumerConfig, action consumerAction) (Consumer, error) {
	if err := validateStreamName(stream); err != nil {
		return nil, err
	}
	info, err := js.putConsumer(ctx, stream, cfg, action)
	if err != nil {
		return nil, err
	}
	return newPullConsumer(js, stream, info), nil
}

// consumerInfo asks for the info of a consumer of any kind.
func (js *jetStream) consumerInfo(ctx context.Context, stream, name string) (*ConsumerInfo, error) {
	var resp consumerInfoResponse
	if err := js.call(ctx, "CONSUMER.INFO."+stream+"."+name, nil, &resp); err != nil {
		return nil, mapAPIError(err, ErrConsumerNotFound)
	}
	if resp.ConsumerInfo == nil {
		return nil, fmt.Errorf("%w: %w", ErrConsumerNotFound, ErrInvalidJetStreamResponse)
	}
	return resp.ConsumerInfo, nil
}

// lookUpConsumer is consumerInfo for a name given by the user.
func (js *jetStream) lookUpConsumer(ctx context.Context, stream, name string) (*ConsumerInfo, error) {
	if err := validateConsumer(stream, name); err != nil {
		return nil, err
	}
	return js.consumerInfo(ctx, stream, name)
}

func (js *jetStream) pullConsumer(ctx context.Context, stream, name string) (Consumer, error) {
	info, err := js.lookUpConsumer(ctx, stream, name)
	if err != nil {
		return nil, err
	}
	if info.Config.DeliverSubject != "" {
		return nil, ErrNotPullConsumer
	}
	return newPullConsumer(js, stream, info), nil
}

func (js *jetStream) deleteConsumer(ctx context.Context, stream, name string) error {
	if err := validateConsumer(stream, name); err != nil {
		return err
	}
	var resp successResponse
	if err := js.call(ctx, "CONSUMER.DELETE."+stream+"."+name, nil, &resp); err != nil {
		return mapAPIError(err, ErrConsumerNotFound)
	}
	if !resp.Success {
		return ErrInvalidJetStreamResponse
	}
	return nil
}

// consumerPauseRequest is the body of CONSUMER.PAUSE. Without a time it resumes.
type consumerPauseRequest struct {
	PauseUntil *time.Time `json:"pause_until,omitempty"`
}

// consumerPauseReply is the reply to CONSUMER.PAUSE.
type consumerPauseReply struct {
	apiResponse
	ConsumerPauseResponse
}

// pauseConsumer pauses a consumer, or resumes it when until is nil.
func (js *jetStream) pauseConsumer(ctx context.Context, stream, name string, until *time.Time) (*ConsumerPauseResponse, error) {
	if err := validateConsumer(stream, name); err != nil {
		return nil, err
	}
	var reply consumerPauseReply
	req := consumerPauseRequest{PauseUntil: until}
	if err := js.call(ctx, "CONSUMER.PAUSE."+stream+"."+name, &req, &reply); err != nil {
		return nil, mapAPIError(err, ErrConsumerNotFound)
	}
	return &reply.ConsumerPauseResponse, nil
}

// consumerResetReply is the reply to CONSUMER.RESET.
type consumerResetReply struct {
	apiResponse
	ConsumerResetResponse
}

func (js *jetStream) resetConsumer(ctx context.Context, stream, name string, seq uint64) (*ConsumerResetResponse, error) {
	if err := validateConsumer(stream, name); err != nil {
		return nil, err
	}
	body := []byte("{}")
	if seq != 0 {
		body = seqBody(seq)
	}
	var reply consumerResetReply
	if err := js.call(ctx, "CONSUMER.RESET."+stream+"."+name, body, &reply); err != nil {
		return nil, mapAPIError(err, ErrConsumerInvalidReset)
	}
	if reply.ConsumerInfo == nil {
		return nil, ErrConsumerResetResponseEmpty
	}
	return &reply.ConsumerResetResponse, nil
}

// consumerUnpinRequest is the body of CONSUMER.UNPIN.
type consumerUnpinRequest struct {
	Group string `json:"group"`
}

func (s *stream) UnpinConsumer(ctx context.Context, consumer, group string) error {
	if err := validateConsumerName(consumer); err != nil {
		return err
	}
	var resp struct{ apiResponse }
	err := s.js.call(ctx, "CONSUMER.UNPIN."+s.name+"."+consumer, &consumerUnpinRequest{Group: group}, &resp)
	return mapAPIError(err, ErrConsumerNotFound)
}

func (s *stream) CreateOrUpdateConsumer(ctx context.Context, cfg ConsumerConfig) (Consumer, error) {
	return s.js.putPullConsumer(ctx, s.name, &cfg, actionCreateOrUpdate)
}

func (s *stream) CreateConsumer(ctx context.Context, cfg ConsumerConfig) (Consumer, error) {
	return s.js.putPullConsumer(ctx, s.name, &cfg, actionCreate)
}

func (s *stream) UpdateConsumer(ctx context.Context, cfg ConsumerConfig) (Consumer, error) {
	return s.js.putPullConsumer(ctx, s.name, &cfg, actionUpdate)
}

func (s *stream) Consumer(ctx context.Context, consumer string) (Consumer, error) {
	return s.js.pullConsumer(ctx, s.name, consumer)
}

func (s *stream) DeleteConsumer(ctx context.Context, consumer string) error {
	return s.js.deleteConsumer(ctx, s.name, consumer)
}

func (s *stream) PauseConsumer(ctx context.Context, consumer string, pauseUntil time.Time) (*ConsumerPauseResponse, error) {
	return s.js.pauseConsumer(ctx, s.name, consumer, &pauseUntil)
}

func (s *stream) ResumeConsumer(ctx context.Context, consumer string) (*ConsumerPauseResponse, error) {
	return s.js.pauseConsumer(ctx, s.name, consumer, nil)
}

func (s *stream) ResetConsumer(ctx context.Context, consumer string) (*ConsumerResetResponse, error) {
	return s.js.resetConsumer(ctx, s.name, consumer, 0)
}

func (s *stream) ResetConsumerToSequence(ctx context.Context, consumer string, seq uint64) (*ConsumerResetResponse, error) {
	return s.js.resetConsumer(ctx, s.name, consumer, seq)
}

func (js *jetStream) CreateOrUpdateConsumer(ctx context.Context, stream string, cfg ConsumerConfig) (Consumer, error) {
	return js.putPullConsumer(ctx, stream, &cfg, actionCreateOrUpdate)
}

func (js *jetStream) CreateConsumer(ctx context.Context, stream string, cfg ConsumerConfig) (Consumer, error) {
	return js.putPullConsumer(ctx, stream, &cfg, actionCreate)
}

func (js *jetStream) UpdateConsumer(ctx context.Context, stream string, cfg ConsumerConfig) (Consumer, error) {
	return js.putPullConsumer(ctx, stream, &cfg, actionUpdate)
}

func (js *jetStream) Consumer(ctx context.Context, stream, consumer string) (Consumer, error) {
	return js.pullConsumer(ctx, stream, consumer)
}

func (js *jetStream) DeleteConsumer(ctx context.Context, stream, consumer string) error {
	return js.deleteConsumer(ctx, stream, consumer)
}

func (js *jetStream) PauseConsumer(ctx context.Context, stream, consumer string, pauseUntil time.Time) (*ConsumerPauseResponse, error) {
	return js.pauseConsumer(ctx, stream, consumer, &pauseUntil)
}

func (js *jetStream) ResumeConsumer(ctx context.Context, stream, consumer string) (*ConsumerPauseResponse, error) {
	return js.pauseConsumer(ctx, stream, consumer, nil)
}

func (js *jetStream) ResetConsumer(ctx context.Context, stream, consumer string) (*ConsumerResetResponse, error) {
	return js.resetConsumer(ctx, stream, consumer, 0)
}

func (js *jetStream) ResetConsumerToSequence(ctx context.Context, stream, consumer string, seq uint64) (*ConsumerResetResponse, error) {
	return js.resetConsumer(ctx, stream, consumer, seq)
}
