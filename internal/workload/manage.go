package workload

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

const (
	apiPrefix = "$JS.API."

	// streamCount is how many streams are listed, and fewStreams how many in a
	// run that is shorter than the standard, still more than fit one page.
	streamCount = 2000
	fewStreams  = 300

	unitStream = "stream"
)

func (f *Fixture) streams() int {
	if f.n < f.N {
		return fewStreams
	}
	return streamCount
}

func (f *Fixture) listed(i int) string { return fmt.Sprintf("%s-%d", f.name, i) }

// fillAccount makes the streams, and has runs list all of them if an operation
// is one stream.
func fillAccount(_ context.Context, f *Fixture) error {
	if f.Unit == unitStream {
		f.n = max(1, f.n/f.streams()) * f.streams()
	}
	for i := range f.streams() {
		name := f.listed(i)
		config := plainStream(name)
		config["name"], config["storage"] = name, "memory"
		if err := f.api("STREAM.CREATE."+name, config, nil); err != nil {
			return err
		}
	}
	return nil
}

func (f *Fixture) emptyAccount() error {
	var errs error
	for i := range f.streams() {
		errs = errors.Join(errs, f.api("STREAM.DELETE."+f.listed(i), nil, nil))
	}
	return errs
}

// listAll lists all streams and checks that all are there.
func (r *Run) listAll(ctx context.Context) error {
	own := 0
	prefix := r.Fixture.name + "-"
	err := r.client.streamInfos(ctx, func(name string) {
		if strings.HasPrefix(name, prefix) {
			own++
		}
	})
	if err == nil && own != r.streams() {
		err = fmt.Errorf("%d streams came instead of %d", own, r.streams())
	}
	return err
}

// streamInfos counts as an operation each stream that is listed.
func streamInfos(ctx context.Context, r *Run) error {
	for r.done < r.n {
		if err := r.listAll(ctx); err != nil {
			return err
		}
		r.done += r.streams()
	}
	return nil
}

func listStreams(ctx context.Context, r *Run) error {
	return r.each(func(int) error {
		r.done++
		return r.listAll(ctx)
	})
}

func openStream(ctx context.Context, r *Run) error {
	var err error
	r.str, err = r.client.stream(ctx, r.stream)
	return err
}

func getMsg(_ context.Context, r *Run) error {
	return r.each(func(i int) error {
		data, err := r.str.getMsg(context.Background(), uint64(i+1))
		if err != nil {
			return err
		}
		r.done++
		return checkPayload(data, i, r.payloadSize())
	})
}

func createDelete(_ context.Context, r *Run) error {
	return r.each(func(int) error {
		r.done++
		const name = "C"
		if err := r.client.createConsumer(context.Background(), r.stream, name); err != nil {
			return err
		}
		return r.client.deleteConsumer(context.Background(), r.stream, name)
	})
}

func consumerInfo(_ context.Context, r *Run) error {
	return r.each(func(int) error {
		name, err := r.cons.info(context.Background())
		if err == nil && name != r.consumers[0] {
			err = fmt.Errorf("consumer %q was described instead of %q", name, r.consumers[0])
		}
		r.done++
		return err
	})
}
