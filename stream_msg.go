package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// RawStreamMsg is a message as it is stored in a stream, read without a
// consumer. It cannot be acknowledged.
type RawStreamMsg struct {
	// Subject is the subject the message was stored under.
	Subject string

	// Sequence is its sequence in the stream.
	Sequence uint64

	// Header are its headers, nil for none. Read from a stream that allows
	// direct access, they also have the Nats-Stream, Nats-Subject,
	// Nats-Sequence and Nats-Time-Stamp that the server adds.
	Header nats.Header

	// Data is its payload.
	Data []byte

	// Time is when the message was stored, in UTC.
	Time time.Time
}

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

func (r apiMsgGetRequest) body() ([]byte, error) {
	if r.Seq != 0 && r.NextFor == "" && r.LastFor == "" {
		return seqBody(r.Seq), nil
	}
	return json.Marshal(r)
}

func (s *stream) GetMsg(ctx context.Context, seq uint64, opts ...GetMsgOpt) (*RawStreamMsg, error) {
	req := apiMsgGetRequest{Seq: seq}
	if len(opts) > 0 {
		// A variable of its own, because passing it to options moves it to the heap.
		configured := req
		if err := applyOpts(&configured, opts); err != nil {
			return nil, err
		}
		req = configured
	}
	return rawMsg(s.getMsg(ctx, req))
}

func (s *stream) GetLastMsgForSubject(ctx context.Context, subject string) (*RawStreamMsg, error) {
	return rawMsg(s.lastMsg(ctx, subject, ""))
}

// rawMsg returns a message as users get it.
func rawMsg(msg RawStreamMsg, err error) (*RawStreamMsg, error) {
	if err != nil {
		return nil, err
	}
	return &msg, nil
}

// directGet starts the API subject of direct gets. The name of the stream comes
// behind it, and behind that, for the last message of a subject, the latter.
const directGet = "DIRECT.GET."

// getMsg gets the message that req describes.
func (s *stream) getMsg(ctx context.Context, req apiMsgGetRequest) (RawStreamMsg, error) {
	if !s.info.Load().Config.AllowDirect {
		return s.getStored(ctx, req)
	}
	body, err := req.body()
	if err != nil {
		return RawStreamMsg{}, err
	}
	resp, err := s.js.request(ctx, body, directGet, s.name)
	if err != nil {
		return s.getInstead(ctx, req, err)
	}
	return directMsg(resp)
}

// lastMsg gets the last message of the subject that is made of the two parts,
// which are only put together where they are needed as one.
func (s *stream) lastMsg(ctx context.Context, prefix, rest string) (RawStreamMsg, error) {
	if !s.info.Load().Config.AllowDirect {
		return s.getStored(ctx, apiMsgGetRequest{LastFor: prefix + rest})
	}
	dot := "."
	if prefix == "" && rest == "" {
		dot = ""
	}
	resp, err := s.js.request(ctx, nil, directGet, s.name, dot, prefix, rest)
	if err != nil {
		return s.getInstead(ctx, apiMsgGetRequest{LastFor: prefix + rest}, err)
	}
	return directMsg(resp)
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
func (s *stream) getStored(ctx context.Context, req apiMsgGetRequest) (RawStreamMsg, error) {
	body, err := req.body()
	if err != nil {
		return RawStreamMsg{}, err
	}
	resp, err := s.js.request(ctx, body, "STREAM.MSG.GET.", s.name)
	if err != nil {
		return RawStreamMsg{}, err
	}
	msg, ok := scanStoredMsg(resp.Data)
	if !ok {
		if msg, err = decodeStoredMsg(resp.Data); err != nil {
			return RawStreamMsg{}, err
		}
	}
	raw := RawStreamMsg{Subject: msg.Subject, Sequence: msg.Seq, Data: msg.Data, Time: msg.Time}
	if len(msg.Header) > 0 {
		if raw.Header, err = nats.DecodeHeadersMsg(msg.Header); err != nil {
			return RawStreamMsg{}, err
		}
	}
	return raw, nil
}

// decodeStoredMsg decodes any reply to STREAM.MSG.GET.
func decodeStoredMsg(data []byte) (storedMsg, error) {
	var resp msgGetResponse
	if err := decodeReply(data, &resp); err != nil {
		return storedMsg{}, mapAPIError(err, ErrMsgNotFound)
	}
	if resp.Message == nil {
		return storedMsg{}, ErrInvalidJetStreamResponse
	}
	return *resp.Message, nil
}

// scanStoredMsg is decodeStoredMsg without reflection and allocations of its own,
// for replies that have a message. It reports false for all others.
func scanStoredMsg(data []byte) (msg storedMsg, ok bool) {
	s := jsonScan{data: data}
	for s.open('{'); s.member(); {
		switch string(s.key) {
		case "message":
			msg.scan(&s)
			ok = true
		case "error":
			s.fail()
		default:
			s.skipMember()
		}
	}
	return msg, ok && s.complete()
}

func (m *storedMsg) scan(s *jsonScan) {
	for s.open('{'); s.member(); {
		switch string(s.key) {
		case "subject":
			m.Subject = s.text()
		case "seq":
			m.Seq = s.uint64()
		case "hdrs":
			m.Header = s.base64()
		case "data":
			m.Data = s.base64()
		case "time":
			scanTime(s, &m.Time)
		default:
			s.skipMember()
		}
	}
}

// getInstead asks the leader for what req describes if a direct get of it failed
// for lack of responders. For any other failure err, that is the result.
func (s *stream) getInstead(ctx context.Context, req apiMsgGetRequest, err error) (RawStreamMsg, error) {
	if !errors.Is(err, nats.ErrNoResponders) {
		return RawStreamMsg{}, err
	}
	// Either the stream is gone, or direct access was switched off since its
	// info was cached, or the message looks like the status core takes for
	// nobody responding. The leader can tell.
	msg, leaderErr := s.getStored(ctx, req)
	switch {
	case leaderErr == nil:
	case ctx.Err() != nil:
		return RawStreamMsg{}, ctx.Err()
	case !isAPIError(leaderErr) || errors.Is(leaderErr, ErrStreamNotFound):
		return RawStreamMsg{}, err
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
func directMsg(resp *nats.Msg) (RawStreamMsg, error) {
	stream, seqText := resp.Header.Get(StreamHeader), resp.Header.Get(SequenceHeader)
	// A stored message without payload can have a Status header of its own;
	// only those of the server come without a location.
	status := resp.Header.Get("Status")
	if status != "" && len(resp.Data) == 0 && stream == "" && seqText == "" {
		return RawStreamMsg{}, directStatus(status, resp.Header.Get("Description"))
	}
	if len(resp.Header) == 0 {
		return RawStreamMsg{}, errors.New("nats: response should have headers")
	}
	if stream == "" {
		return RawStreamMsg{}, errors.New("nats: missing stream header")
	}
	if seqText == "" {
		return RawStreamMsg{}, errors.New("nats: missing sequence header")
	}
	seq, err := strconv.ParseUint(seqText, 10, 64)
	if err != nil {
		return RawStreamMsg{}, fmt.Errorf("nats: invalid sequence header '%s': %w", seqText, err)
	}
	timeText := resp.Header.Get(TimeStampHeaer)
	if timeText == "" {
		return RawStreamMsg{}, errors.New("nats: missing timestamp header")
	}
	stamp, err := time.Parse(time.RFC3339Nano, timeText)
	if err != nil {
		return RawStreamMsg{}, fmt.Errorf("nats: invalid timestamp header '%s': %w", timeText, err)
	}
	subject := resp.Header.Get(SubjectHeader)
	if subject == "" {
		return RawStreamMsg{}, errors.New("nats: missing subject header")
	}
	return RawStreamMsg{Subject: subject, Sequence: seq, Header: resp.Header, Data: resp.Data, Time: stamp}, nil
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
