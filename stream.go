package jetstream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"
)

// StreamManager creates, changes, finds and deletes streams. [JetStream]
// implements it.
//
// Each method that takes the name of a stream, or a config with one, refuses an
// empty name with [ErrStreamNameRequired] and one that cannot be a subject
// token with [ErrInvalidStreamName] before anything is sent. Errors of the
// server are of type *[APIError]; where a method documents a sentinel, that one
// is returned itself.
type StreamManager interface {
	// CreateStream creates a stream. If it exists with exactly this config,
	// that is a success too; if it exists with another one, the error is
	// [ErrStreamNameAlreadyInUse].
	//
	// A server that does not know sources or subject transforms ignores them.
	// The stream exists then, but the method returns
	// [ErrStreamSourceNotSupported] or [ErrStreamSubjectTransformNotSupported].
	CreateStream(ctx context.Context, cfg StreamConfig) (Stream, error)

	// UpdateStream replaces the config of a stream. The server refuses changes
	// of what is fixed at creation, such as the storage type. It returns
	// [ErrStreamNotFound] if there is no such stream, and reports unsupported
	// features like CreateStream. Handles of the stream that exist already keep
	// their cached info until they are asked for a new one.
	UpdateStream(ctx context.Context, cfg StreamConfig) (Stream, error)

	// CreateOrUpdateStream updates the stream, or creates it if there is none.
	// For a new stream, that takes two requests, each with a default timeout
	// of its own if ctx has no deadline.
	CreateOrUpdateStream(ctx context.Context, cfg StreamConfig) (Stream, error)

	// Stream returns a handle of an existing stream, with its current info in
	// the cache. It returns [ErrStreamNotFound] if there is no such stream.
	Stream(ctx context.Context, stream string) (Stream, error)

	// StreamNameBySubject returns the name of a stream that has a subject in
	// common with the given one, which may contain wildcards. If there are
	// several, it is the first by name. It returns [ErrStreamNotFound] if there
	// is none, and [ErrInvalidSubject] for a malformed subject.
	StreamNameBySubject(ctx context.Context, subject string) (string, error)

	// DeleteStream deletes a stream with its messages and consumers. It returns
	// [ErrStreamNotFound] if there is no such stream.
	DeleteStream(ctx context.Context, stream string) error

	// ListStreams lists the streams of the account with their infos. It returns
	// at once and asks the server for pages of 256 in the background while they
	// are read.
	//
	// The listing ends with ctx. If ctx has no deadline, each page has the
	// handle's default timeout, and a reader that takes no item for two minutes
	// is considered gone: the listing then ends with
	// [context.DeadlineExceeded]. So a reader that may leave early should
	// cancel ctx to free what the listing holds.
	ListStreams(context.Context, ...StreamListOpt) StreamInfoLister

	// StreamNames is ListStreams for names only, in pages of 1024.
	StreamNames(context.Context, ...StreamListOpt) StreamNameLister
}

// Stream is a handle of one stream: it tells about the stream, reads and
// deletes single messages and manages the stream's consumers. Handles are
// independent of each other and safe for concurrent use. They stay valid when
// the stream is updated; when it is deleted, methods fail from then on.
type Stream interface {
	ConsumerManager

	// Info asks the server for the stream's current config and state, and
	// replaces the cached info with it. It returns [ErrStreamNotFound] if the
	// stream is gone.
	//
	// With [WithSubjectFilter], it takes one request for every 100 000 subjects
	// that match. The details of subjects are in the result, but not kept in
	// the cache; apart from that, result and cache share what the info refers
	// to.
	Info(ctx context.Context, opts ...StreamInfoOpt) (*StreamInfo, error)

	// CachedInfo returns the info of the last Info call on this handle or, if
	// there was none, of the call that returned the handle. It sends nothing.
	// Every call returns the same pointer until the cache is replaced. Apart
	// from Info, reading a message does so when it finds that direct access to
	// the stream has been switched off.
	CachedInfo() *StreamInfo

	// Purge deletes messages: all of them, or those selected by options.
	Purge(ctx context.Context, opts ...StreamPurgeOpt) error

	// GetMsg returns the message with the given sequence, or with
	// [WithGetMsgSubject] the first one at or after it that has the subject. It
	// returns [ErrMsgNotFound] if there is none.
	//
	// If direct access is on according to the cached info, any server with a
	// replica answers: it may not know the latest messages yet, and the message's
	// headers come with Nats-Stream, Nats-Sequence, Nats-Time-Stamp and
	// Nats-Subject added. Otherwise the stream's leader does. A request for
	// direct access that nobody responds to is put to the leader once; if the
	// stream is gone, the error is nats.ErrNoResponders then.
	GetMsg(ctx context.Context, seq uint64, opts ...GetMsgOpt) (*RawStreamMsg, error)

	// GetLastMsgForSubject returns the last message of a subject, or of all
	// subjects that match it if it contains wildcards. Apart from that it is
	// like GetMsg.
	GetLastMsgForSubject(ctx context.Context, subject string) (*RawStreamMsg, error)

	// DeleteMsg marks a message as deleted; its content may stay on disk until
	// the server compacts the storage. If the server refuses, as it does when
	// there is no such message, the error wraps [ErrMsgDeleteUnsuccessful] and
	// the server's *[APIError].
	DeleteMsg(ctx context.Context, seq uint64) error

	// SecureDeleteMsg deletes a message and overwrites its content on disk,
	// which takes longer. Its errors are those of DeleteMsg.
	SecureDeleteMsg(ctx context.Context, seq uint64) error
}

// StreamInfoOpt configures [Stream.Info].
type StreamInfoOpt func(*streamInfoRequest) error

// streamInfoRequest is the body of a request for a stream's info with options.
type streamInfoRequest struct {
	Offset         int    `json:"offset"`
	DeletedDetails bool   `json:"deleted_details,omitempty"`
	SubjectsFilter string `json:"subjects_filter,omitempty"`
}

// WithDeletedDetails adds the sequences of all deleted messages to the info, as
// State.Deleted. That can be a lot for streams with many gaps.
func WithDeletedDetails(deletedDetails bool) StreamInfoOpt {
	return func(req *streamInfoRequest) error {
		req.DeletedDetails = deletedDetails
		return nil
	}
}

// WithSubjectFilter adds the subjects that match the filter, each with the
// number of its messages, to the info as State.Subjects. If none matches, that
// map is empty but not nil.
func WithSubjectFilter(subject string) StreamInfoOpt {
	return func(req *streamInfoRequest) error {
		req.SubjectsFilter = subject
		return nil
	}
}

// StreamPurgeOpt selects what [Stream.Purge] deletes.
type StreamPurgeOpt func(*StreamPurgeRequest) error

// StreamPurgeRequest says which messages to purge; the zero value means all of
// them. Sequence and Keep exclude each other, Subject goes with either.
type StreamPurgeRequest struct {
	// Sequence spares the message with this sequence and all later ones.
	Sequence uint64 `json:"seq,omitempty"`

	// Subject restricts the purge to messages whose subject matches it.
	Subject string `json:"filter,omitempty"`

	// Keep spares this many of the latest messages, with Subject of those that
	// match it.
	Keep uint64 `json:"keep,omitempty"`
}

// WithPurgeSubject restricts a purge to messages whose subject matches the given
// one, which may contain wildcards.
func WithPurgeSubject(subject string) StreamPurgeOpt {
	return func(req *StreamPurgeRequest) error {
		req.Subject = subject
		return nil
	}
}

// WithPurgeSequence restricts a purge to messages before the given sequence. It
// cannot be combined with [WithPurgeKeep]: the purge fails with
// [ErrInvalidOption] then.
func WithPurgeSequence(sequence uint64) StreamPurgeOpt {
	return func(req *StreamPurgeRequest) error {
		req.Sequence = sequence
		return checkPurge(req)
	}
}

// WithPurgeKeep spares the given number of latest messages. It cannot be
// combined with [WithPurgeSequence]: the purge fails with [ErrInvalidOption]
// then.
func WithPurgeKeep(keep uint64) StreamPurgeOpt {
	return func(req *StreamPurgeRequest) error {
		req.Keep = keep
		return checkPurge(req)
	}
}

func checkPurge(req *StreamPurgeRequest) error {
	if req.Sequence != 0 && req.Keep != 0 {
		return invalidOption("both 'keep' and 'sequence' cannot be provided in purge request")
	}
	return nil
}

// stream implements [Stream].
type stream struct {
	js   *jetStream
	name string
	info atomic.Pointer[StreamInfo]
}

var _ Stream = (*stream)(nil)

func newStream(js *jetStream, name string, info *StreamInfo) *stream {
	s := &stream{js: js, name: name}
	s.info.Store(info)
	return s
}

// streamInfoResponse is the reply to requests that end in a stream's info. The
// pointer stays nil when the reply has none of an info's fields.
type streamInfoResponse struct {
	pagedResponse
	*StreamInfo
}

// callStreamInfo sends a request whose reply is a stream's info.
func (js *jetStream) callStreamInfo(ctx context.Context, subject string, in any) (*streamInfoResponse, error) {
	var resp streamInfoResponse
	if err := js.call(ctx, subject, in, &resp); err != nil {
		return nil, err
	}
	if resp.StreamInfo == nil {
		return nil, ErrInvalidJetStreamResponse
	}
	return &resp, nil
}

func (js *jetStream) CreateStream(ctx context.Context, cfg StreamConfig) (Stream, error) {
	return js.putStream(ctx, "STREAM.CREATE.", cfg, ErrStreamNameAlreadyInUse)
}

func (js *jetStream) UpdateStream(ctx context.Context, cfg StreamConfig) (Stream, error) {
	return js.putStream(ctx, "STREAM.UPDATE.", cfg, ErrStreamNotFound)
}

func (js *jetStream) CreateOrUpdateStream(ctx context.Context, cfg StreamConfig) (Stream, error) {
	s, err := js.UpdateStream(ctx, cfg)
	if !errors.Is(err, ErrStreamNotFound) {
		return s, err
	}
	s, err = js.CreateStream(ctx, cfg)
	if !errors.Is(err, ErrStreamNameAlreadyInUse) {
		return s, err
	}
	// Somebody else created the stream, with another config, between the two
	// requests. Now it is there to be updated.
	return js.UpdateStream(ctx, cfg)
}

// putStream sends a stream's config with the request that the subject, up to
// the stream's name, stands for.
func (js *jetStream) putStream(ctx context.Context, subject string, cfg StreamConfig, sentinel JetStreamError) (Stream, error) {
	if err := validateStreamName(cfg.Name); err != nil {
		return nil, err
	}
	cfg, err := resolveDomains(cfg)
	if err != nil {
		return nil, err
	}
	resp, err := js.callStreamInfo(ctx, subject+cfg.Name, &cfg)
	if err != nil {
		return nil, mapAPIError(err, sentinel)
	}
	if err := checkStreamFeatures(&cfg, &resp.Config); err != nil {
		return nil, err
	}
	return newStream(js, cfg.Name, resp.StreamInfo), nil
}

// resolveDomains returns the config with the domains of its mirror and sources
// expressed the way the server understands them. What the given config refers to
// is left alone.
func resolveDomains(cfg StreamConfig) (StreamConfig, error) {
	if cfg.Mirror != nil {
		mirror, err := resolveDomain(cfg.Mirror)
		if err != nil {
			return cfg, err
		}
		cfg.Mirror = mirror
	}
	copied := false
	for i, source := range cfg.Sources {
		if source == nil {
			return cfg, invalidOption(fmt.Sprintf("source %d of stream %q is nil", i, cfg.Name))
		}
		resolved, err := resolveDomain(source)
		if err != nil {
			return cfg, err
		}
		if resolved == source {
			continue
		}
		if !copied {
			cfg.Sources = slices.Clone(cfg.Sources)
			copied = true
		}
		cfg.Sources[i] = resolved
	}
	return cfg, nil
}

// resolveDomain returns source itself if it names no domain, and otherwise a
// copy that refers to the domain's API.
func resolveDomain(source *StreamSource) (*StreamSource, error) {
	if source.Domain == "" {
		return source, nil
	}
	if source.External != nil {
		return nil, errors.New("nats: domain and external are both set")
	}
	resolved := *source
	resolved.External = &ExternalStream{APIPrefix: domainAPIPrefix(source.Domain)}
	return &resolved, nil
}

// errSourceTransformNotSupported says that the server dropped a transform of a
// source. It is an error of its own because callers may look for either of two
// sentinels with the same text.
var errSourceTransformNotSupported error = sourceTransformError{}

type sourceTransformError struct{}

func (sourceTransformError) Error() string {
	return ErrStreamSourceSubjectTransformNotSupported.Error()
}

func (sourceTransformError) APIError() *APIError { return nil }

func (sourceTransformError) Unwrap() []error {
	return []error{ErrStreamSubjectTransformNotSupported, ErrStreamSourceSubjectTransformNotSupported}
}

// checkStreamFeatures compares the config that was asked for with the one the
// server reports. Servers too old to know a feature drop it silently.
func checkStreamFeatures(asked, got *StreamConfig) error {
	if asked.SubjectTransform != nil && got.SubjectTransform == nil {
		return ErrStreamSubjectTransformNotSupported
	}
	if len(asked.Sources) == 0 {
		return nil
	}
	if len(asked.Sources) != len(got.Sources) {
		return ErrStreamSourceNotSupported
	}
	// Sources come back in any order, and two of them may have the same name.
	if !slices.Equal(transformCounts(asked.Sources), transformCounts(got.Sources)) {
		return errSourceTransformNotSupported
	}
	return nil
}

// transformCounts returns the number of subject transforms of each source, in
// ascending order.
func transformCounts(sources []*StreamSource) []int {
	counts := make([]int, len(sources))
	for i, source := range sources {
		if source != nil {
			counts[i] = len(source.SubjectTransforms)
		}
	}
	slices.Sort(counts)
	return counts
}

func (js *jetStream) Stream(ctx context.Context, name string) (Stream, error) {
	if err := validateStreamName(name); err != nil {
		return nil, err
	}
	info, err := js.streamInfo(ctx, name)
	if err != nil {
		return nil, err
	}
	return newStream(js, name, info), nil
}

func (js *jetStream) StreamNameBySubject(ctx context.Context, subject string) (string, error) {
	if err := validateSubject(subject); err != nil {
		return "", err
	}
	var resp streamNamesResponse
	if err := js.call(ctx, "STREAM.NAMES", &streamsRequest{Subject: subject}, &resp); err != nil {
		return "", err
	}
	if len(resp.Streams) == 0 {
		return "", ErrStreamNotFound
	}
	return resp.Streams[0], nil
}

func (js *jetStream) DeleteStream(ctx context.Context, name string) error {
	if err := validateStreamName(name); err != nil {
		return err
	}
	var resp successResponse
	if err := js.call(ctx, "STREAM.DELETE."+name, nil, &resp); err != nil {
		return mapAPIError(err, ErrStreamNotFound)
	}
	if !resp.Success {
		return ErrInvalidJetStreamResponse
	}
	return nil
}

// streamInfo asks for the info of a stream.
func (js *jetStream) streamInfo(ctx context.Context, name string) (*StreamInfo, error) {
	resp, err := js.callStreamInfo(ctx, "STREAM.INFO."+name, nil)
	if err != nil {
		return nil, mapAPIError(err, ErrStreamNotFound)
	}
	return resp.StreamInfo, nil
}

// streamDetails is streamInfo with options. With a filter for subjects, it collects
// their details from as many replies as it takes.
func (js *jetStream) streamDetails(ctx context.Context, name string, req streamInfoRequest) (*StreamInfo, error) {
	subjects := make(map[string]uint64)
	for {
		resp, err := js.callStreamInfo(ctx, "STREAM.INFO."+name, &req)
		if err != nil {
			return nil, mapAPIError(err, ErrStreamNotFound)
		}
		if req.SubjectsFilter == "" {
			return resp.StreamInfo, nil
		}
		known := len(subjects)
		maps.Copy(subjects, resp.State.Subjects)
		req.Offset += len(resp.State.Subjects)
		// A page without new subjects brings no progress, whatever total it claims.
		if len(subjects) == known || req.Offset >= resp.Total {
			resp.State.Subjects = subjects
			return resp.StreamInfo, nil
		}
	}
}

func (s *stream) Info(ctx context.Context, opts ...StreamInfoOpt) (*StreamInfo, error) {
	before := s.info.Load()
	info, err := s.askInfo(ctx, opts)
	if err != nil {
		return nil, err
	}
	cached := *info
	cached.State.Subjects = nil
	storeInfo(&s.info, before, &cached, func(info *StreamInfo) time.Time { return info.TimeStamp })
	return info, nil
}

func (s *stream) askInfo(ctx context.Context, opts []StreamInfoOpt) (*StreamInfo, error) {
	if len(opts) == 0 {
		return s.js.streamInfo(ctx, s.name)
	}
	var req streamInfoRequest
	if err := applyOpts(&req, opts); err != nil {
		return nil, err
	}
	return s.js.streamDetails(ctx, s.name, req)
}

func (s *stream) CachedInfo() *StreamInfo { return s.info.Load() }

func (s *stream) Purge(ctx context.Context, opts ...StreamPurgeOpt) error {
	var req StreamPurgeRequest
	if err := applyOpts(&req, opts); err != nil {
		return err
	}
	return s.purge(ctx, &req)
}

func (s *stream) purge(ctx context.Context, req *StreamPurgeRequest) error {
	var resp successResponse
	if err := s.js.call(ctx, "STREAM.PURGE."+s.name, req, &resp); err != nil {
		return err
	}
	if !resp.Success {
		return ErrInvalidJetStreamResponse
	}
	return nil
}
