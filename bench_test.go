package jetstream_test

import (
	"context"
	"testing"
	"time"

	"example.com/jetstream/internal/jstest"
	"example.com/jetstream/internal/workload"
)

func BenchmarkPublish(b *testing.B)       { benchmarkWorkload(b, "Publish") }
func BenchmarkPublishAsync(b *testing.B)  { benchmarkWorkload(b, "PublishAsync") }
func BenchmarkFetch100(b *testing.B)      { benchmarkWorkload(b, "Fetch100") }
func BenchmarkFetch1(b *testing.B)        { benchmarkWorkload(b, "Fetch1") }
func BenchmarkNext(b *testing.B)          { benchmarkWorkload(b, "Next") }
func BenchmarkFetchBytes64K(b *testing.B) { benchmarkWorkload(b, "FetchBytes64K") }
func BenchmarkConsume(b *testing.B)       { benchmarkWorkload(b, "Consume") }
func BenchmarkConsumeAck(b *testing.B)    { benchmarkWorkload(b, "ConsumeAck") }
func BenchmarkMessages(b *testing.B)      { benchmarkWorkload(b, "Messages") }

// benchmarkWorkload runs a workload on this package and on the reference, one
// message an operation. The server runs in the same process, so times and
// allocations include its own; internal/benchcmp measures the client alone.
func benchmarkWorkload(b *testing.B, name string) {
	w, ok := workload.ByName(name)
	if !ok {
		b.Fatalf("no workload %s", name)
	}
	s := jstest.StartServer(b)
	for _, impl := range []workload.Impl{workload.Ours(), workload.Ref()} {
		b.Run("impl="+impl.Name, func(b *testing.B) {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
			defer cancel()
			run, err := w.Prepare(ctx, jstest.Connect(b, s), impl, b.N)
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
			if err := run.Close(); err != nil {
				b.Error(err)
			}
		})
	}
}
