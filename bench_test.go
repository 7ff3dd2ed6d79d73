package jetstream_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"example.com/jetstream/internal/jstest"
	"example.com/jetstream/internal/workload"
)

// BenchmarkCompare runs each workload on this package and on the reference. The server runs in the same process, so times and
// allocations include its own; internal/benchcmp measures the client alone.
func BenchmarkCompare(b *testing.B) {
	for _, w := range workload.All() {
		b.Run(w.Name, func(b *testing.B) { compareImpls(b, w) })
	}
}

func compareImpls(b *testing.B, w workload.Workload) {
	s := jstest.StartServer(b)
	for _, impl := range []workload.Impl{workload.Ours(), workload.Ref()} {
		b.Run("impl="+impl.Name, func(b *testing.B) {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
			defer cancel()
			f, err := w.Setup(ctx, jstest.Connect(b, s), b.N)
			if err != nil {
				b.Fatal(err)
			}
			run, err := f.Prepare(ctx, jstest.Connect(b, s), impl)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			err = run.Do(ctx)
			b.StopTimer()
			if err != nil {
				b.Error(err)
			}
			if err := errors.Join(run.Close(), f.Close()); err != nil {
				b.Error(err)
			}
		})
	}
}
