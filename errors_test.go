package jetstream_test

import (
	"errors"
	"fmt"
	"go/types"
	"strings"
	"testing"

	"example.com/jetstream"
	"github.com/nats-io/nats.go"
	reference "github.com/nats-io/nats.go/jetstream"
)

// sentinelErrors has every sentinel of the package beside that of the reference.
var sentinelErrors = []struct {
	name string
	own  jetstream.JetStreamError
	ref  reference.JetStreamError
}{
	{"ErrJetStreamNotEnabled", jetstream.ErrJetStreamNotEnabled, reference.ErrJetStreamNotEnabled},
	{"ErrJetStreamNotEnabledForAccount", jetstream.ErrJetStreamNotEnabledForAccount, reference.ErrJetStreamNotEnabledForAccount},
	{"ErrBadRequest", jetstream.ErrBadRequest, reference.ErrBadRequest},
	{"ErrInvalidJetStreamResponse", jetstream.ErrInvalidJetStreamResponse, reference.ErrInvalidJetStreamResponse},
	{"ErrInvalidOption", jetstream.ErrInvalidOption, reference.ErrInvalidOption},
	{"ErrInvalidSubject", jetstream.ErrInvalidSubject, reference.ErrInvalidSubject},
	{"ErrEndOfData", jetstream.ErrEndOfData, reference.ErrEndOfData},
	{"ErrStreamNameRequired", jetstream.ErrStreamNameRequired, reference.ErrStreamNameRequired},
	{"ErrInvalidStreamName", jetstream.ErrInvalidStreamName, reference.ErrInvalidStreamName},
	{"ErrStreamNotFound", jetstream.ErrStreamNotFound, reference.ErrStreamNotFound},
	{"ErrStreamNameAlreadyInUse", jetstream.ErrStreamNameAlreadyInUse, reference.ErrStreamNameAlreadyInUse},
	{"ErrStreamMessageExceedsMaximum", jetstream.ErrStreamMessageExceedsMaximum, reference.ErrStreamMessageExceedsMaximum},
	{"ErrStreamSubjectTransformNotSupported", jetstream.ErrStreamSubjectTransformNotSupported, reference.ErrStreamSubjectTransformNotSupported},
	{"ErrStreamSourceSubjectTransformNotSupported", jetstream.ErrStreamSourceSubjectTransformNotSupported, reference.ErrStreamSourceSubjectTransformNotSupported},
	{"ErrStreamSourceNotSupported", jetstream.ErrStreamSourceNotSupported, reference.ErrStreamSourceNotSupported},
	{"ErrStreamSourceMultipleFilterSubjectsNotSupported", jetstream.ErrStreamSourceMultipleFilterSubjectsNotSupported, reference.ErrStreamSourceMultipleFilterSubjectsNotSupported},
	{"ErrMirrorWithMsgSchedules", jetstream.ErrMirrorWithMsgSchedules, reference.ErrMirrorWithMsgSchedules},
	{"ErrSourceWithMsgSchedules", jetstream.ErrSourceWithMsgSchedules, reference.ErrSourceWithMsgSchedules},
	{"ErrMsgNotFound", jetstream.ErrMsgNotFound, reference.ErrMsgNotFound},
	{"ErrMsgDeleteUnsuccessful", jetstream.ErrMsgDeleteUnsuccessful, reference.ErrMsgDeleteUnsuccessful},
	{"ErrInvalidConsumerName", jetstream.ErrInvalidConsumerName, reference.ErrInvalidConsumerName},
	{"ErrConsumerNotFound", jetstream.ErrConsumerNotFound, reference.ErrConsumerNotFound},
	{"ErrConsumerExists", jetstream.ErrConsumerExists, reference.ErrConsumerExists},
	{"ErrConsumerDoesNotExist", jetstream.ErrConsumerDoesNotExist, reference.ErrConsumerDoesNotExist},
	{"ErrConsumerNameAlreadyInUse", jetstream.ErrConsumerNameAlreadyInUse, reference.ErrConsumerNameAlreadyInUse},
	{"ErrConsumerCreate", jetstream.ErrConsumerCreate, reference.ErrConsumerCreate},
	{"ErrConsumerCreationResponseEmpty", jetstream.ErrConsumerCreationResponseEmpty, reference.ErrConsumerCreationResponseEmpty},
	{"ErrMaximumConsumersLimit", jetstream.ErrMaximumConsumersLimit, reference.ErrMaximumConsumersLimit},
	{"ErrDuplicateFilterSubjects", jetstream.ErrDuplicateFilterSubjects, reference.ErrDuplicateFilterSubjects},
	{"ErrOverlappingFilterSubjects", jetstream.ErrOverlappingFilterSubjects, reference.ErrOverlappingFilterSubjects},
	{"ErrEmptyFilter", jetstream.ErrEmptyFilter, reference.ErrEmptyFilter},
	{"ErrConsumerMultipleFilterSubjectsNotSupported", jetstream.ErrConsumerMultipleFilterSubjectsNotSupported, reference.ErrConsumerMultipleFilterSubjectsNotSupported},
	{"ErrConsumerInvalidReset", jetstream.ErrConsumerInvalidReset, reference.ErrConsumerInvalidReset},
	{"ErrConsumerResetResponseEmpty", jetstream.ErrConsumerResetResponseEmpty, reference.ErrConsumerResetResponseEmpty},
	{"ErrNotPullConsumer", jetstream.ErrNotPullConsumer, reference.ErrNotPullConsumer},
	{"ErrNotPushConsumer", jetstream.ErrNotPushConsumer, reference.ErrNotPushConsumer},
	{"ErrHandlerRequired", jetstream.ErrHandlerRequired, reference.ErrHandlerRequired},
	{"ErrNoHeartbeat", jetstream.ErrNoHeartbeat, reference.ErrNoHeartbeat},
	{"ErrConsumerDeleted", jetstream.ErrConsumerDeleted, reference.ErrConsumerDeleted},
	{"ErrConsumerLeadershipChanged", jetstream.ErrConsumerLeadershipChanged, reference.ErrConsumerLeadershipChanged},
	{"ErrServerShutdown", jetstream.ErrServerShutdown, reference.ErrServerShutdown},
	{"ErrConnectionClosed", jetstream.ErrConnectionClosed, reference.ErrConnectionClosed},
	{"ErrMsgIteratorClosed", jetstream.ErrMsgIteratorClosed, reference.ErrMsgIteratorClosed},
	{"ErrPinIDMismatch", jetstream.ErrPinIDMismatch, reference.ErrPinIDMismatch},
	{"ErrMaxBytesExceeded", jetstream.ErrMaxBytesExceeded, reference.ErrMaxBytesExceeded},
	{"ErrBatchCompleted", jetstream.ErrBatchCompleted, reference.ErrBatchCompleted},
	{"ErrNoMessages", jetstream.ErrNoMessages, reference.ErrNoMessages},
	{"ErrConsumerAlreadyConsuming", jetstream.ErrConsumerAlreadyConsuming, reference.ErrConsumerAlreadyConsuming},
	{"ErrConsumerHasActiveSubscription", jetstream.ErrConsumerHasActiveSubscription, reference.ErrConsumerHasActiveSubscription},
	{"ErrOrderedConsumerReset", jetstream.ErrOrderedConsumerReset, reference.ErrOrderedConsumerReset},
	{"ErrOrderConsumerUsedAsFetch", jetstream.ErrOrderConsumerUsedAsFetch, reference.ErrOrderConsumerUsedAsFetch},
	{"ErrOrderConsumerUsedAsConsume", jetstream.ErrOrderConsumerUsedAsConsume, reference.ErrOrderConsumerUsedAsConsume},
	{"ErrOrderedConsumerConcurrentRequests", jetstream.ErrOrderedConsumerConcurrentRequests, reference.ErrOrderedConsumerConcurrentRequests},
	{"ErrOrderedConsumerNotCreated", jetstream.ErrOrderedConsumerNotCreated, reference.ErrOrderedConsumerNotCreated},
	{"ErrNotJSMessage", jetstream.ErrNotJSMessage, reference.ErrNotJSMessage},
	{"ErrMsgNotBound", jetstream.ErrMsgNotBound, reference.ErrMsgNotBound},
	{"ErrMsgNoReply", jetstream.ErrMsgNoReply, reference.ErrMsgNoReply},
	{"ErrMsgAlreadyAckd", jetstream.ErrMsgAlreadyAckd, reference.ErrMsgAlreadyAckd},
	{"ErrNoStreamResponse", jetstream.ErrNoStreamResponse, reference.ErrNoStreamResponse},
	{"ErrInvalidJSAck", jetstream.ErrInvalidJSAck, reference.ErrInvalidJSAck},
	{"ErrAsyncPublishReplySubjectSet", jetstream.ErrAsyncPublishReplySubjectSet, reference.ErrAsyncPublishReplySubjectSet},
	{"ErrTooManyStalledMsgs", jetstream.ErrTooManyStalledMsgs, reference.ErrTooManyStalledMsgs},
	{"ErrAsyncPublishTimeout", jetstream.ErrAsyncPublishTimeout, reference.ErrAsyncPublishTimeout},
	{"ErrJetStreamPublisherClosed", jetstream.ErrJetStreamPublisherClosed, reference.ErrJetStreamPublisherClosed},
	{"ErrMessageSchedulesDisabled", jetstream.ErrMessageSchedulesDisabled, reference.ErrMessageSchedulesDisabled},
	{"ErrSchedulePatternInvalid", jetstream.ErrSchedulePatternInvalid, reference.ErrSchedulePatternInvalid},
	{"ErrScheduleTargetInvalid", jetstream.ErrScheduleTargetInvalid, reference.ErrScheduleTargetInvalid},
	{"ErrScheduleSourceInvalid", jetstream.ErrScheduleSourceInvalid, reference.ErrScheduleSourceInvalid},
	{"ErrScheduleTTLInvalid", jetstream.ErrScheduleTTLInvalid, reference.ErrScheduleTTLInvalid},
	{"ErrScheduleRollupInvalid", jetstream.ErrScheduleRollupInvalid, reference.ErrScheduleRollupInvalid},
	{"ErrKeyValueConfigRequired", jetstream.ErrKeyValueConfigRequired, reference.ErrKeyValueConfigRequired},
	{"ErrInvalidBucketName", jetstream.ErrInvalidBucketName, reference.ErrInvalidBucketName},
	{"ErrBucketExists", jetstream.ErrBucketExists, reference.ErrBucketExists},
	{"ErrBucketNotFound", jetstream.ErrBucketNotFound, reference.ErrBucketNotFound},
	{"ErrBadBucket", jetstream.ErrBadBucket, reference.ErrBadBucket},
	{"ErrInvalidKey", jetstream.ErrInvalidKey, reference.ErrInvalidKey},
	{"ErrKeyNotFound", jetstream.ErrKeyNotFound, reference.ErrKeyNotFound},
	{"ErrKeyDeleted", jetstream.ErrKeyDeleted, reference.ErrKeyDeleted},
	{"ErrKeyExists", jetstream.ErrKeyExists, reference.ErrKeyExists},
	{"ErrKeyRevisionMismatch", jetstream.ErrKeyRevisionMismatch, reference.ErrKeyRevisionMismatch},
	{"ErrHistoryTooLarge", jetstream.ErrHistoryTooLarge, reference.ErrHistoryTooLarge},
	{"ErrNoKeysFound", jetstream.ErrNoKeysFound, reference.ErrNoKeysFound},
	{"ErrTTLOnDeleteNotSupported", jetstream.ErrTTLOnDeleteNotSupported, reference.ErrTTLOnDeleteNotSupported},
	{"ErrLimitMarkerTTLNotSupported", jetstream.ErrLimitMarkerTTLNotSupported, reference.ErrLimitMarkerTTLNotSupported},
	{"ErrObjectConfigRequired", jetstream.ErrObjectConfigRequired, reference.ErrObjectConfigRequired},
	{"ErrInvalidStoreName", jetstream.ErrInvalidStoreName, reference.ErrInvalidStoreName},
	{"ErrNameRequired", jetstream.ErrNameRequired, reference.ErrNameRequired},
	{"ErrBadObjectMeta", jetstream.ErrBadObjectMeta, reference.ErrBadObjectMeta},
	{"ErrObjectNotFound", jetstream.ErrObjectNotFound, reference.ErrObjectNotFound},
	{"ErrObjectAlreadyExists", jetstream.ErrObjectAlreadyExists, reference.ErrObjectAlreadyExists},
	{"ErrNoObjectsFound", jetstream.ErrNoObjectsFound, reference.ErrNoObjectsFound},
	{"ErrDigestMismatch", jetstream.ErrDigestMismatch, reference.ErrDigestMismatch},
	{"ErrInvalidDigestFormat", jetstream.ErrInvalidDigestFormat, reference.ErrInvalidDigestFormat},
	{"ErrUpdateMetaDeleted", jetstream.ErrUpdateMetaDeleted, reference.ErrUpdateMetaDeleted},
	{"ErrLinkNotAllowed", jetstream.ErrLinkNotAllowed, reference.ErrLinkNotAllowed},
	{"ErrObjectRequired", jetstream.ErrObjectRequired, reference.ErrObjectRequired},
	{"ErrNoLinkToDeleted", jetstream.ErrNoLinkToDeleted, reference.ErrNoLinkToDeleted},
	{"ErrNoLinkToLink", jetstream.ErrNoLinkToLink, reference.ErrNoLinkToLink},
	{"ErrCantGetBucket", jetstream.ErrCantGetBucket, reference.ErrCantGetBucket},
	{"ErrBucketRequired", jetstream.ErrBucketRequired, reference.ErrBucketRequired},
	{"ErrBucketMalformed", jetstream.ErrBucketMalformed, reference.ErrBucketMalformed},
}

func TestSentinelsSayAndCarryWhatThoseOfTheReferenceDo(t *testing.T) {
	t.Parallel()
	for _, s := range sentinelErrors {
		if got, want := s.own.Error(), s.ref.Error(); got != want {
			t.Errorf("%s says %q, want %q", s.name, got, want)
		}
		got, want := s.own.APIError(), s.ref.APIError()
		switch {
		case (got == nil) != (want == nil):
			t.Errorf("%s has API error %v, want %v", s.name, got, want)
		case got == nil:
		case got.Code != want.Code || int(got.ErrorCode) != int(want.ErrorCode) || got.Description != want.Description:
			t.Errorf("%s has API error %+v, want %+v", s.name, got, want)
		}
	}
}

func TestSentinelTableIsComplete(t *testing.T) {
	t.Parallel()
	listed := make(map[string]bool)
	for _, s := range sentinelErrors {
		listed[s.name] = true
	}
	_, ref := apiLoad(t)
	for _, name := range ref.Scope().Names() {
		if _, ok := ref.Scope().Lookup(name).(*types.Var); ok && strings.HasPrefix(name, "Err") && !listed[name] {
			t.Errorf("%s is not in the table", name)
		}
	}
}

func TestSentinelsMatchByErrorCode(t *testing.T) {
	t.Parallel()
	raw := &jetstream.APIError{Code: 404, ErrorCode: jetstream.JSErrCodeStreamNotFound, Description: "stream not found here"}
	tests := []struct {
		name        string
		err, target error
		want        bool
	}{
		{"server error is sentinel", raw, jetstream.ErrStreamNotFound, true},
		{"sentinel is server error", jetstream.ErrStreamNotFound, raw, true},
		{"sentinel is itself", jetstream.ErrStreamNotFound, jetstream.ErrStreamNotFound, true},
		{"code alone decides", jetstream.ErrStreamNotFound, &jetstream.APIError{ErrorCode: 10059}, true},
		{"code of its own", jetstream.ErrStreamNotFound, &jetstream.APIError{Code: 404, ErrorCode: 1, Description: "stream not found"}, false},
		{"account sentinel by code", &jetstream.APIError{ErrorCode: 10039}, jetstream.ErrJetStreamNotEnabledForAccount, true},
		{"other code is not sentinel", &jetstream.APIError{ErrorCode: 1}, jetstream.ErrJetStreamNotEnabledForAccount, false},
		{"code in place of status", &jetstream.APIError{Code: 10039}, jetstream.ErrJetStreamNotEnabledForAccount, false},
		{"other sentinel", jetstream.ErrStreamNotFound, jetstream.ErrConsumerNotFound, false},
		{"two zero codes", &jetstream.APIError{}, &jetstream.APIError{Code: 1}, true},
		{"wrapped server error", fmt.Errorf("create: %w", raw), jetstream.ErrStreamNotFound, true},
		{"wrapped sentinel", fmt.Errorf("create: %w", jetstream.ErrStreamNotFound), raw, true},
		{"wrapped target", raw, fmt.Errorf("create: %w", jetstream.ErrStreamNotFound), true},
		{"joined", errors.Join(errors.New("other"), raw), jetstream.ErrStreamNotFound, true},
		{"key exists without description", &jetstream.APIError{Code: 400, ErrorCode: 10071, Description: "wrong last sequence: 1"}, jetstream.ErrKeyExists, true},
		{"server error is not client sentinel", raw, jetstream.ErrStreamNameRequired, false},
		{"client sentinel is not server error", jetstream.ErrStreamNameRequired, raw, false},
		{"client sentinel is itself", jetstream.ErrStreamNameRequired, jetstream.ErrStreamNameRequired, true},
		{"wrapped client sentinel", fmt.Errorf("create: %w", jetstream.ErrInvalidOption), jetstream.ErrInvalidOption, true},
		{"client sentinels with equal texts", jetstream.ErrStreamSubjectTransformNotSupported, jetstream.ErrStreamSourceSubjectTransformNotSupported, false},
		{"nil server error", (*jetstream.APIError)(nil), jetstream.ErrStreamNotFound, false},
		{"nil target", raw, (*jetstream.APIError)(nil), false},
		{"error of another kind", errors.New("nats: stream not found"), jetstream.ErrStreamNotFound, false},
	}
	for _, tt := range tests {
		if got := errors.Is(tt.err, tt.target); got != tt.want {
			t.Errorf("%s: errors.Is(%v, %v) = %t, want %t", tt.name, tt.err, tt.target, got, tt.want)
		}
	}
}

func TestServerSentinelsUnwrapToTheirAPIError(t *testing.T) {
	t.Parallel()
	for _, s := range sentinelErrors {
		for _, err := range []error{s.own, fmt.Errorf("call: %w", s.own)} {
			var apiErr *jetstream.APIError
			found := errors.As(err, &apiErr)
			if found != (s.own.APIError() != nil) || apiErr != s.own.APIError() {
				t.Errorf("errors.As(%v) finds %v, want %v", err, apiErr, s.own.APIError())
			}
			var jsErr jetstream.JetStreamError
			if !errors.As(err, &jsErr) || jsErr != s.own {
				t.Errorf("errors.As(%v) finds JetStreamError %v, want %v", err, jsErr, s.own)
			}
		}
	}
}

// A typed nil in place of an untyped one would make every error of the client look
// like one of the server.
func TestClientSentinelsUnwrapToUntypedNil(t *testing.T) {
	t.Parallel()
	if err := errors.Unwrap(jetstream.ErrStreamNameRequired); err != nil {
		t.Errorf("unwraps to %#v", err)
	}
	if jetstream.ErrStreamNameRequired.APIError() != nil {
		t.Error("has an API error")
	}
}

// B66
func TestNoStreamResponseIsAlsoThatNobodyResponded(t *testing.T) {
	t.Parallel()
	if !errors.Is(jetstream.ErrNoStreamResponse, nats.ErrNoResponders) {
		t.Error("it does not wrap the error of core")
	}
	if jetstream.ErrNoStreamResponse.APIError() != nil || jetstream.ErrNoStreamResponse.Error() != "nats: no response from stream" {
		t.Errorf("it is %v now", jetstream.ErrNoStreamResponse)
	}
}

func TestAPIErrorIsAJetStreamError(t *testing.T) {
	t.Parallel()
	raw := &jetstream.APIError{Code: 404, ErrorCode: 10014, Description: "consumer not found"}
	var jsErr jetstream.JetStreamError = raw
	if jsErr.APIError() != raw {
		t.Errorf("APIError() = %v, want itself", jsErr.APIError())
	}
	var found jetstream.JetStreamError
	if !errors.As(fmt.Errorf("call: %w", raw), &found) || found.APIError() != raw {
		t.Errorf("errors.As finds %v", found)
	}
}

func TestErrorTexts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&jetstream.APIError{Code: 404, ErrorCode: 10059, Description: "stream not found"}, "nats: API error: code=404 err_code=10059 description=stream not found"},
		{&jetstream.APIError{Code: 500}, "nats: API error: code=500 err_code=0 description="},
		{jetstream.ErrJetStreamNotEnabledForAccount, "nats: API error: code=503 err_code=10039 description=jetstream not enabled for account"},
		{jetstream.ErrStreamNameRequired, "nats: stream name is required"},
		{jetstream.ErrKeyExists, "nats: key exists"},
		{jetstream.ErrObjectRequired, "nats: object required"},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
