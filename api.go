package jetstream

import (
	"context"
	"encoding/json"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// ClientTrace holds callbacks for [WithClientTrace]. Either may be nil. They
// are given the buffers in use, not copies, and must not keep or change them.
type ClientTrace struct {
	// RequestSent is called right before an API request is sent, with its full
	// subject and its body (nil for requests without one).
	RequestSent func(subj string, payload []byte)

	// ResponseReceived is called for each response before it is decoded, also
	// when it reports an API error. It is not called when no response came.
	// subj is the subject of the request.
	ResponseReceived func(subj string, payload []byte, hdr nats.Header)
}

// apiResponse is what all API responses have in common. Responses embed it
// beside their payload; a present error wins over any payload.
type apiResponse struct {
	Error *APIError `json:"error,omitempty"`
}

func (r *apiResponse) apiError() *APIError { return r.Error }

// apiReply is a response type that embeds [apiResponse].
type apiReply interface {
	apiError() *APIError
}

// pagedResponse is what responses have in common that are pages of a whole. They
// embed it, in place of [apiResponse].
type pagedResponse struct {
	apiResponse
	Total  int `json:"total"`
	Offset int `json:"offset"`
	Limit  int `json:"limit"`
}

// successResponse is the reply to requests that only succeed or fail.
type successResponse struct {
	apiResponse
	Success bool `json:"success"`
}

// withDefaultTimeout returns ctx itself when it has a deadline, and otherwise a
// child that ends after the handle's default timeout. A nil context is refused.
func (js *jetStream) withDefaultTimeout(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if ctx == nil {
		return nil, nil, nats.ErrInvalidContext
	}
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, js.opts.DefaultTimeout)
	return ctx, cancel, nil
}

// bound returns when a request has to end because of the handle's default
// timeout, which is zero if ctx has a deadline. A nil context is refused.
func (js *jetStream) bound(ctx context.Context) (until time.Time, err error) {
	if ctx == nil {
		return time.Time{}, nats.ErrInvalidContext
	}
	if _, ok := ctx.Deadline(); ok {
		return time.Time{}, nil
	}
	return time.Now().Add(js.opts.DefaultTimeout), nil
}

// roundTrip sends m as a request and waits for the response until ctx ends, or the
// given time comes, which is zero if only ctx counts. A reply subject of m is
// ignored. A request that the server denies ends with the error that names that.
func (js *jetStream) roundTrip(ctx context.Context, until time.Time, m *nats.Msg) (resp *nats.Msg, err error) {
	if !until.IsZero() && !time.Now().Before(until) {
		return nil, context.DeadlineExceeded
	}
	wait := newRequestContext(ctx, until, js.conn, m.Subject)
	defer wait.release()
	if len(m.Header) == 0 {
		resp, err = js.conn.RequestWithContext(wait, m.Subject, m.Data)
	} else {
		resp, err = js.conn.RequestMsgWithContext(wait, m)
	}
	return resp, wait.explain(err)
}

// request sends one API request to the subject made of the handle's prefix and
// the given parts, and returns the raw response. Errors of the context and of
// core come back untouched.
//
// It is the one way in which this package asks the server something, so it is
// the place where the default timeout and tracing apply.
func (js *jetStream) request(ctx context.Context, body []byte, subjectParts ...string) (*nats.Msg, error) {
	until, err := js.bound(ctx)
	if err != nil {
		return nil, err
	}
	subject := joinText(js.prefix, subjectParts...)
	trace := js.opts.ClientTrace
	if trace != nil && trace.RequestSent != nil {
		trace.RequestSent(subject, body)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	resp, err := js.roundTrip(ctx, until, &nats.Msg{Subject: subject, Data: body})
	if err != nil {
		return nil, err
	}
	if trace != nil && trace.ResponseReceived != nil {
		trace.ResponseReceived(subject, resp.Data, resp.Header)
	}
	return resp, nil
}

// call is [jetStream.request] for a body and a response in JSON. A nil in sends
// an empty body. The error of the response, if it carries one, is returned as
// the server's own *APIError; callers map it with [mapAPIError] where the caller
// of the package expects a sentinel.
func (js *jetStream) call(ctx context.Context, subject string, in any, out apiReply) error {
	var body []byte
	switch in := in.(type) {
	case nil:
	case []byte:
		body = in
	default:
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	resp, err := js.request(ctx, body, subject)
	if err != nil {
		return err
	}
	return decodeReply(resp.Data, out)
}

// decodeReply decodes the response to an API request. The error it carries, if
// any, is returned as [jetStream.call] says.
func decodeReply(data []byte, out apiReply) error {
	err := unmarshalReply(data, out)
	if apiErr := out.apiError(); apiErr != nil {
		return apiErr
	}
	return err
}

// mapAPIError returns the one of sentinels that has the error code of err, and
// err itself when it is not an API error or has another code. It matters to
// callers that compare a returned error with == and to the text of the error.
func mapAPIError(err error, sentinels ...JetStreamError) error {
	apiErr, ok := err.(*APIError)
	if !ok {
		return err
	}
	for _, sentinel := range sentinels {
		if sentinel.APIError().ErrorCode == apiErr.ErrorCode {
			return sentinel
		}
	}
	return err
}

// applyOpts applies functional options to the request they configure. It stops
// at the first one that fails.
func applyOpts[R any, O ~func(*R) error](req *R, opts []O) error {
	for _, opt := range opts {
		if opt == nil {
			return invalidOption("option cannot be nil")
		}
		if err := opt(req); err != nil {
			return err
		}
	}
	return nil
}

// seqBodySize is room for the longest body of [seqBody].
const seqBodySize = len(`{"seq":18446744073709551615}`)

var seqBodies sharedSlab[[seqBodySize]byte]

// seqBody returns the JSON body that holds a sequence and nothing else.
func seqBody(seq uint64) []byte {
	body := seqBodies.next(0)[:0]
	body = append(body, `{"seq":`...)
	body = strconv.AppendUint(body, seq, 10)
	return append(body, '}')
}

// storeInfo makes info the content of a handle's cache. before is what was
// cached when the info was requested: if that has been replaced in the
// meantime, two requests ran at once and the info that is later by the server's
// clock wins. Clocks are not compared otherwise, as those of two servers differ
// and a handle must not be stuck with the info of the one that is ahead.
func storeInfo[T any](cache *atomic.Pointer[T], before, info *T, timeOf func(*T) time.Time) {
	for !cache.CompareAndSwap(before, info) {
		before = cache.Load()
		if timeOf(before).After(timeOf(info)) {
			return
		}
	}
}
