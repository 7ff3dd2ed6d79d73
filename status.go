package jetstream

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
)

// Headers of the status messages with which the server answers pull requests.
const (
	statusHeader          = "Status"
	descriptionHeader     = "Description"
	pendingMessagesHeader = "Nats-Pending-Messages"
	pendingBytesHeader    = "Nats-Pending-Bytes"
	pinIDHeader           = "Nats-Pin-Id"
)

// notCounted marks the absence of the pending headers.
const notCounted = -1

// pullStatus is a status message: what the server says about one pull request.
type pullStatus struct {
	// err is the error the status stands for, and nil for an idle heartbeat.
	err error

	// description is the server's text.
	description string

	// pendingMsgs and pendingBytes are what the request had left when it ended,
	// or notCounted when the server does not say.
	pendingMsgs, pendingBytes int

	// malformed is set when the pending headers are no numbers.
	malformed bool
}

// isControl reports whether m is a message of the server about a request, as
// opposed to a message of the stream. The latter always have a reply subject
// for acknowledgements, so that a publisher's own Status header or an empty
// payload cannot make one of them look like a status.
func isControl(m *nats.Msg) bool {
	if m.Reply != "" || len(m.Data) != 0 || m.Header == nil {
		return false
	}
	status := m.Header[statusHeader]
	return len(status) > 0 && status[0] != ""
}

// isHeartbeat reports whether a control message is an idle heartbeat.
func isHeartbeat(m *nats.Msg) bool {
	return m.Header.Get(statusHeader) == "100"
}

// parsePullStatus translates a control message. It is the one place that knows
// the server's codes and texts; the list is in server/consumer.go and
// ADR-13.
func parsePullStatus(m *nats.Msg) pullStatus {
	status := pullStatus{
		description:  m.Header.Get(descriptionHeader),
		pendingMsgs:  notCounted,
		pendingBytes: notCounted,
	}
	code := m.Header.Get(statusHeader)
	if code == "100" {
		return status
	}
	status.err = statusError(code, status.description)
	for _, header := range []struct {
		name  string
		value *int
	}{
		{pendingMessagesHeader, &status.pendingMsgs},
		{pendingBytesHeader, &status.pendingBytes},
	} {
		text := m.Header.Get(header.name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			status.err = fmt.Errorf("nats: invalid format of %s", header.name)
			status.malformed = true
			return status
		}
		*header.value = max(n, 0)
	}
	return status
}

// refused reports whether the server did not accept the request, so that nothing
// can have been delivered for it. A request that it did accept ends with the
// pending headers, or by one of the events that end all requests.
func (s *pullStatus) refused() bool {
	if s.pendingMsgs != notCounted {
		return false
	}
	for _, err := range endings {
		if errors.Is(s.err, err) {
			return false
		}
	}
	return true
}

// endings are the errors of requests that have been served.
var endings = []error{nats.ErrTimeout, ErrMaxBytesExceeded, ErrBatchCompleted, ErrConsumerLeadershipChanged, ErrServerShutdown}

// statusError returns the error a status stands for. Texts are matched in any
// letter case, since they have changed between server versions.
func statusError(code, description string) error {
	switch code {
	case "400":
		return ErrBadRequest
	case "404":
		return ErrNoMessages
	case "408":
		return nats.ErrTimeout
	case "409":
		if description == completedText {
			return ErrBatchCompleted
		}
		text := strings.ToLower(description)
		for _, known := range conflictErrors {
			if strings.Contains(text, known.text) {
				return known.err
			}
		}
	case "423":
		return ErrPinIDMismatch
	case "503":
		return nats.ErrNoResponders
	}
	if description == "" {
		return fmt.Errorf("nats: unexpected status %q", code)
	}
	return errors.New("nats: " + description)
}

// completedText is with what the server ends most requests of a Consume.
const completedText = "Batch Completed"

// conflictErrors are the meanings of status 409, most specific text first.
var conflictErrors = []struct {
	text string
	err  error
}{
	{"message size exceeds maxbytes", ErrMaxBytesExceeded},
	{"batch completed", ErrBatchCompleted},
	{"consumer deleted", ErrConsumerDeleted},
	{"leadership change", ErrConsumerLeadershipChanged},
	{"server shutdown", ErrServerShutdown},
	{"consumer is push based", ErrNotPullConsumer},
}
