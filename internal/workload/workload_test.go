package workload_test

import (
	"context"
	"testing"
	"time"

	"example.com/jetstream/internal/jstest"
	"example.com/jetstream/internal/workload"
)

func TestWorkloadsDoTheirWorkOnBothImplementations(t *testing.T) {
	t.Parallel()
	s := jstest.StartServer(t)
	for _, impl := range []workload.Impl{workload.Ours(), workload.Ref()} {
		for _, w := range workload.All() {
			t.Run(w.Name+"/"+impl.Name, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				run, err := w.Prepare(ctx, jstest.Connect(t, s), impl, min(1500, w.N/16))
				if err != nil {
					t.Fatal(err)
				}
				if err := run.Do(ctx); err != nil {
					t.Error(err)
				}
				if err := run.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
