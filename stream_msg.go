package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// GetMsgOpt configures [Stream.GetMsg].
type GetMsgOpt func(*apiMsgGetRequest) error

// apiMsgGetRequest selects one message of a stream.
type apiMsgGetRequest struct {
	Seq     uint64 `json:"seq,omitempty"`
	NextFor string `json:"next_by_subj,omitempty"`
	LastFor string `json:"last_by_subj,omitempty"`
}

// WithGetMsgSubject makes [Stream.GetMsg] return the first message at or after
// the given sequence that has this subject, which may contain wildcards.
func WithGetMsgSubject(subject string) GetMsgOpt {
	return func(req *apiMsgGetRequest) error {
		req.NextFor = subject
		return nil
	}
}

func (r *apiMsgGetRequest) body() ([]byte, error) {
	if r.Seq != 0 && r.NextFor == "" && r.LastFor == "" {
		return seqBody(r.Seq), nil
	}
	return json.Marshal(r)
}

func (s *stream) GetMsg(ctx context.Context, seq uint64, opts ...GetMsgOpt) (*RawStreamMsg, error) {
	req := apiMsgGetRequest{Seq: seq}
	if err := applyOpts(&req, opts); err != nil {
		return nil, err
	}
	if !s.info.Load().Config.AllowDirect {
		return s.getStored(ctx, &req)
	}
	body, err := req.body()
	if err != nil {
		return nil, err
	}
	resp, err := s.js.request(ctx, s.directSubject(), body)
	if err != nil {
		return s.getInstead(ctx, &req, err)
	}
	return directMsg(resp)
}

// directSubject returns the API subject of direct gets. That of a message by its
// subject has the latter behind it.
func (s *stream) directSubject() string { return "DIRECT.GET." + s.name }

func (s *stream) GetLastMsgForSubject(ctx context.Context, subject string) (*RawStreamMsg, error) {
	direct := s.directSubject()
	if subject != "" {
		direct += "." + subject
	}
	return s.lastMsg(ctx, direct)
}

// lastMsg gets the last message of a subject. direct is the API subject of the
// direct get for it, which ends in that subject.
func (s *stream) lastMsg(ctx context.Context, direct string) (*RawStreamMsg, error) {
	if !s.info.Load().Config.AllowDirect {
		return s.getStored(ctx, s.lastRequest(direct))
	}
	resp, err := s.js.request(ctx, direct, nil)
	if err != nil {
		return s.getInstead(ctx, s.lastRequest(direct), err)
	}
	return directMsg(resp)
}

// lastRequest returns the request to the leader that a direct get stands for.
func (s *stream) lastRequest(direct string) *apiMsgGetRequest {
	subject := strings.TrimPrefix(direct, s.directSubject())
	return &apiMsgGetRequest{LastFor: strings.TrimPrefix(subject, ".")}
}

// storedMsg is a message in a reply to STREAM.MSG.GET.
type storedMsg struct {
	Subject string    `json:"subject"`
	Seq     uint64    `json:"seq"`
	Header  []byte    `json:"hdrs"`
	Data    []byte    `json:"data"`
	Time    time.Time `json:"time"`
}

// msgGetResponse is the reply to STREAM.MSG.GET.
type msgGetResponse struct {
	apiResponse
	Message *storedMsg `json:"message"`
}

// getStored asks the leader of the stream for a message.
func (s *stream) getStored(ctx context.Context, req *apiMsgGetRequest) (*RawStreamMsg, error) {
	body, err := req.body()
	if err != nil {
		return nil, err
	}
	var resp msgGetResponse
	if err := s.js.call(ctx, "STREAM.MSG.GET."+s.name, body, &resp); err != nil {
		return nil, mapAPIError(err, ErrMsgNotFound)
	}
	return resp.rawMsg()
}

// rawMsg returns the message of a response without error.
func (r *msgGetResponse) rawMsg() (*RawStreamMsg, error) {
	msg := r.Message
	if msg == nil {
		return nil, ErrInvalidJetStreamResponse
	}
	raw := &RawStreamMsg{Subject: msg.Subject, Sequence: msg.Seq, Data: msg.Data, Time: msg.Time}
	if len(msg.Header) > 0 {
		var err error
		if raw.Header, err = nats.DecodeHeadersMsg(msg.Header); err != nil {
			return nil, err
		}
	}
	return raw, nil
}

// getInstead asks the leader for what req describes if a direct get of it failed
// for lack of responders. For any other failure err, that is the result.
func (s *stream) getInstead(ctx context.Context, req *apiMsgGetRequest, err error) (*RawStreamMsg, error) {
	if !errors.Is(err, nats.ErrNoResponders) {
		return nil, err
	}
	// Either the stream is gone, or direct access was switched off since its
	// info was cached, or the message looks like the status core takes for
	// nobody responding. The leader can tell.
	msg, leaderErr := s.getStored(ctx, req)
	switch {
	case leaderErr == nil:
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case !isAPIError(leaderErr) || errors.Is(leaderErr, ErrStreamNotFound):
		return nil, err
	}
	// Should this fail, the next direct get comes here again.
	_, _ = s.Info(ctx)
	return msg, leaderErr
}

// isAPIError reports whether err is the answer of a server.
func isAPIError(err error) bool {
	var apiErr *APIError
	return errors.As(err, &apiErr)
}

// directMsg makes a message of the reply to a direct get, which is either the
// message with headers that locate it, or an empty one with a status.
func directMsg(resp *nats.Msg) (*RawStreamMsg, error) {
	stream, seqText := resp.Header.Get(StreamHeader), resp.Header.Get(SequenceHeader)
	// A stored message without payload can have a Status header of its own;
	// only those of the server come without a location.
	status := resp.Header.Get("Status")
	if status != "" && len(resp.Data) == 0 && stream == "" && seqText == "" {
		return nil, directStatus(status, resp.Header.Get("Description"))
	}
	if len(resp.Header) == 0 {
		return nil, errors.New("nats: response should have headers")
	}
	if stream == "" {
		return nil, errors.New("nats: missing stream header")
	}
	if seqText == "" {
		return nil, errors.New("nats: missing sequence header")
	}
	seq, err := strconv.ParseUint(seqText, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("nats: invalid sequence header '%s': %w", seqText, err)
	}
	timeText := resp.Header.Get(TimeStampHeaer)
	if timeText == "" {
		return nil, errors.New("nats: missing timestamp header")
	}
	stamp, err := time.Parse(time.RFC3339Nano, timeText)
	if err != nil {
		return nil, fmt.Errorf("nats: invalid timestamp header '%s': %w", timeText, err)
	}
	subject := resp.Header.Get(SubjectHeader)
	if subject == "" {
		return nil, errors.New("nats: missing subject header")
	}
	return &RawStreamMsg{Subject: subject, Sequence: seq, Header: resp.Header, Data: resp.Data, Time: stamp}, nil
}

// directStatus turns the status of a direct get into an error.
func directStatus(status, description string) error {
	if status == "404" {
		return ErrMsgNotFound
	}
	if description == "" {
		description = "unable to get message"
	}
	err := directError{text: "nats: " + description}
	if status == "408" {
		err.cause = ErrBadRequest
	}
	return err
}

// directError has the text of a direct get's status and matches the sentinel
// that the API has for the same failure.
type directError struct {
	text  string
	cause error
}

func (e directError) Error() string { return e.text }

func (e directError) Unwrap() error { return e.cause }

func (s *stream) DeleteMsg(ctx context.Context, seq uint64) error {
	body := seqBody(seq)
	body = append(body[:len(body)-1], `,"no_erase":true}`...)
	return s.deleteMsg(ctx, body)
}

func (s *stream) SecureDeleteMsg(ctx context.Context, seq uint64) error {
	return s.deleteMsg(ctx, seqBody(seq))
}

func (s *stream) deleteMsg(ctx context.Context, body []byte) error {
	var resp successResponse
	err := s.js.call(ctx, "STREAM.MSG.DELETE."+s.name, body, &resp)
	if err == nil && !resp.Success {
		err = ErrInvalidJetStreamResponse
	} else if err == nil || !isAPIError(err) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrMsgDeleteUnsuccessful, err)
}
