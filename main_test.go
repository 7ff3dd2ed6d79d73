package jetstream_test

import (
	"testing"

	"go.uber.org/goleak"
)

// Nothing is ignored: the kit waits for its servers and connections to end.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
