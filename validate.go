package jetstream

import (
	"fmt"
	"strings"
)

// invalidNameChars may not occur in the name of a stream or consumer, which is
// a token of API subjects and the name of a directory on the server.
const invalidNameChars = ">*. /\\\t\r\n"

// validateStreamName refuses names that cannot be one subject token.
func validateStreamName(name string) error {
	if name == "" {
		return ErrStreamNameRequired
	}
	if strings.ContainsAny(name, invalidNameChars) {
		return fmt.Errorf("%w: %q", ErrInvalidStreamName, name)
	}
	return nil
}

// validateConsumerName refuses names that cannot be one subject token.
func validateConsumerName(name string) error {
	if name == "" {
		return fmt.Errorf("%w: name is required", ErrInvalidConsumerName)
	}
	if strings.ContainsAny(name, invalidNameChars) {
		return fmt.Errorf("%w: %q", ErrInvalidConsumerName, name)
	}
	return nil
}

// validateConsumer is validateConsumerName for a consumer of a stream given by
// name.
func validateConsumer(stream, name string) error {
	if err := validateStreamName(stream); err != nil {
		return err
	}
	return validateConsumerName(name)
}

// validateSubject refuses subjects that would break the request they are put
// into. It leaves the finer points, such as empty tokens, to the server.
func validateSubject(subject string) error {
	if subject == "" {
		return fmt.Errorf("%w: subject cannot be empty", ErrInvalidSubject)
	}
	last := len(subject) - 1
	if subject[0] == '.' || subject[last] == '.' ||
		strings.ContainsAny(subject, " \t\r\n") ||
		strings.IndexByte(subject[:last], '>') >= 0 {
		return fmt.Errorf("%w: %s", ErrInvalidSubject, subject)
	}
	return nil
}
