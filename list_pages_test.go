package jetstream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// lpServer hands out pages of a list of names as a server does.
type lpServer struct {
	limit int
	// emptyTotal makes a page without entries tell a total of 0, as clusters do.
	emptyTotal bool
	// change is called before each page is made.
	change func(names []string) []string

	mu      sync.Mutex
	names   []string
	offsets []int
}

func (s *lpServer) list() pagedList[string] {
	return pagedList[string]{fetch: s.fetch, name: listedName}
}

func (s *lpServer) fetch(ctx context.Context, offset int) (listPage[string], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offsets = append(s.offsets, offset)
	if s.change != nil {
		s.names = s.change(s.names)
		slices.Sort(s.names)
	}
	total := len(s.names)
	start := min(offset, total)
	items := slices.Clone(s.names[start:min(start+s.limit, total)])
	if s.emptyTotal && len(items) == 0 {
		total = 0
	}
	return listPage[string]{items: items, span: len(items), total: total, limit: s.limit}, ctx.Err()
}

func lpNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%05d", i)
	}
	return names
}

// lpRead reads a list to its end.
func lpRead(ctx context.Context, l pagedList[string]) ([]string, error) {
	var got []string
	err := l.each(ctx, func(name string) error {
		got = append(got, name)
		return nil
	})
	return got, err
}

func TestPagesHaveAListOfAnyLength(t *testing.T) {
	t.Parallel()
	for n := range 60 {
		s := &lpServer{limit: 5, names: lpNames(n)}
		if got, err := lpRead(t.Context(), s.list()); err != nil || !slices.Equal(got, s.names) {
			t.Errorf("of %d names came %v, %v", n, got, err)
		}
		want := max(1, (n-1+3)/4) // Each page but the first has four that are new.
		if n <= 5 {
			want = 1
		}
		if len(s.offsets) != want {
			t.Errorf("%d names took the pages at %v, want %d", n, s.offsets, want)
		}
	}
}

func TestListingOmitsAndRepeatsNothingWhileTheListChanges(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		s := &lpServer{limit: 2 + rng.IntN(9), emptyTotal: seed%2 > 0}
		var lasting []string
		for _, name := range lpNames(rng.IntN(120)) {
			if rng.IntN(3) > 0 {
				lasting = append(lasting, name)
			} else {
				name += "-passing"
			}
			s.names = append(s.names, name)
		}
		changes := 40
		s.change = func(names []string) []string {
			if changes--; changes < 0 {
				return names
			}
			for range rng.IntN(5) {
				names = append(names, fmt.Sprintf("%05d-passing-%d", rng.IntN(120), rng.Uint64()))
			}
			remove := rng.IntN(4)
			return slices.DeleteFunc(names, func(name string) bool {
				return strings.Contains(name, "-") && rng.IntN(8) < remove
			})
		}
		list := s.list()
		if seed%3 > 0 {
			// Of a list that was quite different.
			list.memory = new(pageMemory)
			list.memory.keep(pageLayout{stride: 1 + rng.IntN(10), total: rng.IntN(200)})
		}
		got, err := lpRead(t.Context(), list)
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		for i := 1; i < len(got); i++ {
			if got[i-1] >= got[i] {
				t.Errorf("seed %d: %s comes after %s", seed, got[i], got[i-1])
			}
		}
		got = slices.DeleteFunc(got, func(name string) bool { return strings.Contains(name, "-") })
		if !slices.Equal(got, lasting) {
			t.Errorf("seed %d: got\n     %v\nwant %v", seed, got, lasting)
		}
	}
}

func TestListingSurvivesTheLossOfAllThatCameBefore(t *testing.T) {
	t.Parallel()
	for _, emptyTotal := range []bool{false, true} {
		s := &lpServer{limit: 5, names: lpNames(200), emptyTotal: emptyTotal}
		got, passed := []string(nil), false
		err := s.list().each(t.Context(), func(name string) error {
			got = append(got, name)
			if len(got) == 100 && !passed {
				passed = true
				s.mu.Lock()
				s.names = s.names[99:]
				s.mu.Unlock()
			}
			return nil
		})
		if err != nil || !slices.Equal(got, lpNames(200)) {
			t.Errorf("got %d names, %v; pages at %v", len(got), err, s.offsets)
		}
	}
}

func TestPagesAreAskedForTogether(t *testing.T) {
	t.Parallel()
	const limit, pages = 5, 1 + maxPagesAhead
	s := &lpServer{limit: limit, names: lpNames(pages*(limit-1) + 1)}
	var arrived sync.WaitGroup
	arrived.Add(pages - 1)
	list := pagedList[string]{name: listedName, fetch: func(ctx context.Context, offset int) (listPage[string], error) {
		if offset > 0 {
			arrived.Done() // It panics if there are more.
			arrived.Wait()
		}
		return s.fetch(ctx, offset)
	}}
	if got, err := lpRead(t.Context(), list); err != nil || !slices.Equal(got, s.names) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestAllPagesAreAskedForTogetherTheNextTime(t *testing.T) {
	t.Parallel()
	const limit = 5
	s := &lpServer{limit: limit, names: lpNames(maxPagesAhead*(limit-1) + 1)}
	var arrived sync.WaitGroup
	list := s.list()
	list.memory = new(pageMemory)
	list.fetch = func(ctx context.Context, offset int) (listPage[string], error) {
		arrived.Done()
		arrived.Wait()
		return s.fetch(ctx, offset)
	}
	read := func() {
		t.Helper()
		s.mu.Lock()
		s.offsets = nil
		s.mu.Unlock()
		if got, err := lpRead(t.Context(), list); err != nil || !slices.Equal(got, s.names) {
			t.Errorf("got %v, %v", got, err)
		}
		slices.Sort(s.offsets)
	}
	list.memory.keep(pageLayout{stride: limit - 1, total: len(s.names)})
	arrived.Add(maxPagesAhead) // It panics if there are more.
	read()
	if len(s.offsets) != maxPagesAhead || s.offsets[0] != 0 {
		t.Errorf("pages are those at %v", s.offsets)
	}

	// What is kept is that of the last listing.
	s.names = s.names[:limit-1]
	list.fetch = s.fetch
	read()
	if layout := list.memory.recall(); layout != (pageLayout{0, limit - 1}) {
		t.Errorf("one page is kept as %+v", layout)
	}
	read()
	if len(s.offsets) != 1 {
		t.Errorf("one page took those at %v", s.offsets)
	}
	s.names = lpNames(20)
	read()
	if layout := list.memory.recall(); layout != (pageLayout{limit - 1, 20}) {
		t.Errorf("20 names are kept as %+v", layout)
	}
}

func TestFewPagesAreHeldInAdvance(t *testing.T) {
	t.Parallel()
	s := &lpServer{limit: 5, names: lpNames(500)}
	asked := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.offsets)
	}
	count := 0
	err := s.list().each(t.Context(), func(string) error {
		if count++; count%100 == 0 && asked() > 1+count/4+maxPagesAhead {
			return fmt.Errorf("%d pages for %d names", asked(), count)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestFailedPageEndsTheListingInItsTurn(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	s := &lpServer{limit: 5, names: lpNames(100)}
	list := pagedList[string]{name: listedName, fetch: func(ctx context.Context, offset int) (listPage[string], error) {
		switch {
		case offset == 12:
			return listPage[string]{}, boom
		case offset > 12:
			<-ctx.Done() // Nobody is left to wait for it.
		}
		return s.fetch(ctx, offset)
	}}
	if got, err := lpRead(t.Context(), list); !errors.Is(err, boom) || !slices.Equal(got, s.names[:13]) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestListingEndsRequestsThatNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	s := &lpServer{limit: 5, names: lpNames(100)}
	var ended sync.WaitGroup
	asked := func() {}
	list := pagedList[string]{name: listedName, fetch: func(ctx context.Context, offset int) (listPage[string], error) {
		if offset > 0 {
			ended.Add(1)
			defer ended.Done()
			asked()
			<-ctx.Done()
		}
		return s.fetch(ctx, offset)
	}}
	enough := errors.New("enough")
	if err := list.each(t.Context(), func(string) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("error is %v", err)
	}
	ended.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	asked = cancel
	if got, err := lpRead(ctx, list); !errors.Is(err, context.Canceled) || len(got) != 5 {
		t.Errorf("got %v, %v", got, err)
	}
}

// A server that does not sort, or whose pages make no sense, must not make a
// listing endless.
func TestListingOfAnOddServerEnds(t *testing.T) {
	t.Parallel()
	fixed := func(first []string, rest []string, total int) pagedList[string] {
		return pagedList[string]{name: listedName, fetch: func(_ context.Context, offset int) (listPage[string], error) {
			items := first
			if offset > 0 {
				items = rest
			}
			return listPage[string]{items: items, span: len(items), total: total, limit: 3}, nil
		}}
	}
	for name, test := range map[string]struct {
		list pagedList[string]
		want string
		err  error
	}{
		"unsorted":              {fixed([]string{"c", "b", "a"}, []string{"a", "d", "x"}, 6), "[c b a a d x]", nil},
		"never what was before": {fixed([]string{"a", "b", "c"}, []string{"x"}, 6), "[a b c x]", nil},
		"always the same":       {fixed([]string{"a", "b", "c"}, []string{"a", "b", "c"}, 9), "[a b c]", nil},
		"nothing more":          {fixed([]string{"a", "b", "c"}, nil, 9), "[a b c]", ErrInvalidJetStreamResponse},
		"less than a page":      {fixed([]string{"a", "b"}, []string{"c"}, 4), "[a b c c]", nil},
	} {
		got, err := lpRead(t.Context(), test.list)
		if fmt.Sprint(got) != test.want || !errors.Is(err, test.err) {
			t.Errorf("%s: got %v, %v; want %s, %v", name, got, err, test.want, test.err)
		}
	}
}
