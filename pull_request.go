package jetstream

import (
	"bytes"
	"context"
	"sync/atomic"
	"time"
)

// pullRequest describes one pull request. The fetch family fills it from its
// options; Consume and Messages derive one for each refill.
type pullRequest struct {
	batch         int
	maxBytes      int
	expires       time.Duration
	heartbeat     time.Duration
	noWait        bool
	minPending    int64
	minAckPending int64
	pinID         string
	group         string
	priority      uint8

	// The rest concerns the fetch family only.

	ctx        context.Context
	bytesOnly  bool // batch is not the user's
	noByteOpt  bool // FetchMaxBytes is not accepted
	maxWaitSet bool
	hbSet      bool
}

// appendBody appends the request in JSON. Fields are left out when they are
// zero. It is the only place where a pull request is rendered.
func (r *pullRequest) appendBody(b []byte) []byte {
	b = append(b, '{')
	b = appendIntField(b, `"expires":`, r.expires.Nanoseconds())
	b = appendIntField(b, `"batch":`, int64(r.batch))
	b = appendIntField(b, `"max_bytes":`, int64(r.maxBytes))
	if r.noWait {
		b = append(appendComma(b), `"no_wait":true`...)
	}
	b = appendIntField(b, `"idle_heartbeat":`, r.heartbeat.Nanoseconds())
	b = appendIntField(b, `"min_pending":`, r.minPending)
	b = appendIntField(b, `"min_ack_pending":`, r.minAckPending)
	b = appendStringField(b, `"id":`, r.pinID)
	b = appendStringField(b, `"group":`, r.group)
	b = appendIntField(b, `"priority":`, int64(r.priority))
	return append(b, '}')
}

// render returns the body of the request: last, that of another one, if it is the
// same. Most requests are like the last one of their kind.
func (r *pullRequest) render(last []byte) []byte {
	var buf [256]byte
	if body := r.appendBody(buf[:0]); !bytes.Equal(body, last) {
		return bytes.Clone(body)
	}
	return last
}

// sharedBody is the body of the first request made with it, which those of the
// same options have in common.
type sharedBody struct {
	body atomic.Pointer[[]byte]
}

// render is [pullRequest.render] with the shared body for last.
func (b *sharedBody) render(r *pullRequest) []byte {
	if last := b.body.Load(); last != nil {
		return r.render(*last)
	}
	body := r.render(nil)
	b.body.CompareAndSwap(nil, &body)
	return body
}
