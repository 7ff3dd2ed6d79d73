package jetstream

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func TestSlabMakesValuesOfTheirOwn(t *testing.T) {
	t.Parallel()
	var s slab[int]
	seen := make(map[*int]bool)
	for i := range 5 * slabMax {
		v := s.next(0)
		if *v != 0 || seen[v] {
			t.Fatalf("value %d is %d, or had been made before", i, *v)
		}
		*v, seen[v] = 1, true
	}
	if len(s.values) != slabMax {
		t.Errorf("%d values share an allocation, want %d", len(s.values), slabMax)
	}
}

func TestSharedSlabServesManyAtOnce(t *testing.T) {
	t.Parallel()
	const workers, each = 8, 200
	var s sharedSlab[int]
	var made [workers][each]*int
	var wg sync.WaitGroup
	for w := range made {
		wg.Go(func() {
			for i := range made[w] {
				made[w][i] = s.next(0)
				*made[w][i] = w*each + i
			}
		})
	}
	wg.Wait()
	for w := range made {
		for i, v := range made[w] {
			if *v != w*each+i {
				t.Fatalf("value %d of %d is %d", i, w, *v)
			}
		}
	}
}

func TestJoinedTextsStayWhatTheyAre(t *testing.T) {
	t.Parallel()
	const workers, each = 8, 300
	long := strings.Repeat("x", textMax)
	var texts [workers][each]string
	var wg sync.WaitGroup
	for w := range texts {
		wg.Go(func() {
			for i := range texts[w] {
				texts[w][i] = joinText(strconv.Itoa(w), ".", strconv.Itoa(i), long[:i%textMax])
			}
		})
	}
	wg.Wait()
	for w := range texts {
		for i, text := range texts[w] {
			if want := fmt.Sprintf("%d.%d%s", w, i, long[:i%textMax]); text != want {
				t.Fatalf("got %q, want %q", text, want)
			}
		}
	}
	for _, number := range []uint64{0, 7, math.MaxUint64} {
		for _, text := range []string{"", "inbox.", long, long[:textMax-1]} {
			if got, want := joinNumber(text, number), text+strconv.FormatUint(number, 10); got != want {
				t.Errorf("%q and %d become %q", text, number, got)
			}
		}
	}
	for _, want := range []string{"", "a", long, long + "y"} {
		if got := joinText(want); got != want {
			t.Errorf("%q becomes %q", want, got)
		}
		if got := joinText("", want, ""); got != want {
			t.Errorf("%q becomes %q", want, got)
		}
	}
}
