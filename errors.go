package jetstream

import (
	"errors"
	"fmt"
)

// ErrorCode is the number by which the server tells its errors apart. It is
// more precise than the Code of an [APIError]. Only the codes that matter to
// programs have a constant here.
type ErrorCode uint16

// Codes of errors about JetStream itself.
const (
	// JSErrCodeBadRequest is the code of [ErrBadRequest].
	JSErrCodeBadRequest ErrorCode = 10003

	// JSErrCodeJetStreamNotEnabledForAccount is the code of
	// [ErrJetStreamNotEnabledForAccount].
	JSErrCodeJetStreamNotEnabledForAccount ErrorCode = 10039

	// JSErrCodeJetStreamNotEnabled is the code of [ErrJetStreamNotEnabled].
	JSErrCodeJetStreamNotEnabled ErrorCode = 10076
)

// Codes of errors about streams and what is stored in them.
const (
	// JSErrCodeMessageNotFound is the code of [ErrMsgNotFound].
	JSErrCodeMessageNotFound ErrorCode = 10037

	// JSErrCodeStreamMessageExceedsMaximum is the code of
	// [ErrStreamMessageExceedsMaximum].
	JSErrCodeStreamMessageExceedsMaximum ErrorCode = 10054

	// JSErrCodeStreamNameInUse is the code of [ErrStreamNameAlreadyInUse].
	JSErrCodeStreamNameInUse ErrorCode = 10058

	// JSErrCodeStreamNotFound is the code of [ErrStreamNotFound].
	JSErrCodeStreamNotFound ErrorCode = 10059

	// JSErrCodeStreamWrongLastSequence is the code of a publish that expected
	// the stream or the subject to be at another sequence, and the code of
	// [ErrKeyExists]. The description has the actual sequence.
	JSErrCodeStreamWrongLastSequence ErrorCode = 10071

	// JSErrCodeStreamWrongLastSequenceConstant is the code of the same failure
	// where the server does not tell the actual sequence, which replicated
	// streams do while another publish on the subject is under way.
	JSErrCodeStreamWrongLastSequenceConstant ErrorCode = 10164
)

// Codes of errors about consumers.
const (
	// JSErrCodeConsumerCreate is the code of [ErrConsumerCreate].
	JSErrCodeConsumerCreate ErrorCode = 10012

	// JSErrCodeConsumerNameExists is the code of a name that another consumer
	// has. No sentinel has it.
	JSErrCodeConsumerNameExists ErrorCode = 10013

	// JSErrCodeConsumerNotFound is the code of [ErrConsumerNotFound].
	JSErrCodeConsumerNotFound ErrorCode = 10014

	// JSErrCodeMaximumConsumersLimit is the code of [ErrMaximumConsumersLimit].
	JSErrCodeMaximumConsumersLimit ErrorCode = 10026

	// JSErrCodeConsumerAlreadyExists is the code of a consumer that exists and
	// is in use. No sentinel has it.
	JSErrCodeConsumerAlreadyExists ErrorCode = 10105

	// JSErrCodeDuplicateFilterSubjects is the code of
	// [ErrDuplicateFilterSubjects].
	JSErrCodeDuplicateFilterSubjects ErrorCode = 10136

	// JSErrCodeOverlappingFilterSubjects is the code of
	// [ErrOverlappingFilterSubjects].
	JSErrCodeOverlappingFilterSubjects ErrorCode = 10138

	// JSErrCodeConsumerEmptyFilter is the code of [ErrEmptyFilter].
	JSErrCodeConsumerEmptyFilter ErrorCode = 10139

	// JSErrCodeConsumerExists is the code of [ErrConsumerExists].
	JSErrCodeConsumerExists ErrorCode = 10148

	// JSErrCodeConsumerDoesNotExist is the code of [ErrConsumerDoesNotExist].
	JSErrCodeConsumerDoesNotExist ErrorCode = 10149

	// JSErrCodeConsumerInvalidReset is the code of [ErrConsumerInvalidReset].
	JSErrCodeConsumerInvalidReset ErrorCode = 10204
)

// Codes of errors about scheduled messages.
const (
	// JSErrCodeMirrorWithMsgSchedules is the code of
	// [ErrMirrorWithMsgSchedules].
	JSErrCodeMirrorWithMsgSchedules ErrorCode = 10186

	// JSErrCodeSourceWithMsgSchedules is the code of
	// [ErrSourceWithMsgSchedules].
	JSErrCodeSourceWithMsgSchedules ErrorCode = 10187

	// JSErrCodeMessageSchedulesDisabled is the code of
	// [ErrMessageSchedulesDisabled].
	JSErrCodeMessageSchedulesDisabled ErrorCode = 10188

	// JSErrCodeSchedulePatternInvalid is the code of
	// [ErrSchedulePatternInvalid].
	JSErrCodeSchedulePatternInvalid ErrorCode = 10189

	// JSErrCodeScheduleTargetInvalid is the code of [ErrScheduleTargetInvalid].
	JSErrCodeScheduleTargetInvalid ErrorCode = 10190

	// JSErrCodeScheduleTTLInvalid is the code of [ErrScheduleTTLInvalid].
	JSErrCodeScheduleTTLInvalid ErrorCode = 10191

	// JSErrCodeScheduleRollupInvalid is the code of [ErrScheduleRollupInvalid].
	JSErrCodeScheduleRollupInvalid ErrorCode = 10192

	// JSErrCodeScheduleSourceInvalid is the code of [ErrScheduleSourceInvalid].
	JSErrCodeScheduleSourceInvalid ErrorCode = 10203
)

// JetStreamError is what the errors of this package have in common: the
// sentinels and [APIError]. Errors may come wrapped, so use errors.As to find
// it.
type JetStreamError interface {
	// APIError returns the error of the server behind this one, or nil if it
	// arose in the client.
	APIError() *APIError
	error
}

// APIError is an error that the server reported. With errors.Is, it equals
// every sentinel and every other APIError that has the same ErrorCode.
type APIError struct {
	// Code is the kind of error, in the manner of HTTP: 404 for what does not
	// exist, 400 for a request that is wrong, 503 for what is not available
	// now.
	Code int `json:"code"`

	// ErrorCode says exactly which error it is.
	ErrorCode ErrorCode `json:"err_code"`

	// Description is for people to read. Its wording may differ between
	// servers.
	Description string `json:"description,omitempty"`
}

// Error returns code, error code and description in one line.
func (e *APIError) Error() string {
	return fmt.Sprintf("nats: API error: code=%d err_code=%d description=%s", e.Code, e.ErrorCode, e.Description)
}

// APIError returns e itself.
func (e *APIError) APIError() *APIError { return e }

// Is reports whether err is or wraps an API error with the same error code.
// Code and description do not matter.
func (e *APIError) Is(err error) bool {
	if e == nil {
		return false
	}
	var other *APIError
	return errors.As(err, &other) && other != nil && other.ErrorCode == e.ErrorCode
}

// jsError is the type of the package's sentinels. One that stands for an error
// of the server carries the *APIError with its code.
type jsError struct {
	apiErr  *APIError
	message string
	// cause is the error of core that a client-side error stands for, if any.
	cause error
}

// serverError returns a sentinel for an error of the server.
func serverError(code int, errCode ErrorCode, description string) *jsError {
	return &jsError{apiErr: &APIError{Code: code, ErrorCode: errCode, Description: description}}
}

// clientError returns a sentinel for an error that arises in the client.
func clientError(message string) *jsError {
	return &jsError{message: message}
}

// Error returns the text of the API error when it has a description, and the
// sentinel's own message otherwise.
func (e *jsError) Error() string {
	if e.apiErr != nil && e.apiErr.Description != "" {
		return e.apiErr.Error()
	}
	return "nats: " + e.message
}

// APIError returns the API error behind the sentinel, or nil for an error that
// arises in the client.
func (e *jsError) APIError() *APIError { return e.apiErr }

// Unwrap lets errors.As find the API error. Client-side errors unwrap to their
// cause or an untyped nil, so that they are not mistaken for one.
func (e *jsError) Unwrap() error {
	if e.apiErr == nil {
		return e.cause
	}
	return e.apiErr
}

// sharedError is one error that several sentinels stand for. The first has its
// text. It is a pointer so that such errors can be compared.
type sharedError struct{ sentinels []error }

func newSharedError(sentinels ...error) error { return &sharedError{sentinels} }

func (e *sharedError) Error() string { return e.sentinels[0].Error() }

func (e *sharedError) Unwrap() []error { return e.sentinels }
