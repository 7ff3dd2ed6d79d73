package jetstream_test

import (
	"testing"

	"example.com/jetstream"
)

// Whoever may write to a store can write any description. What is done with it
// must not reach further than its author could.

func TestDescriptionWithWildcardsDoesNotReachOtherObjects(t *testing.T) {
	t.Parallel()
	store, js, _ := objStart(t)
	ctx := objContext(t)
	objPut(t, store, "kept", objContent(1000), 100)
	for _, id := range []string{">", "*", "a.b", "a b", "a\r\nb"} {
		objMeta(t, js, &jetstream.ObjectInfo{ObjectMeta: jetstream.ObjectMeta{Name: "bait"}, Bucket: "B", NUID: id, Size: 10, Chunks: 1})
		if _, err := store.GetBytes(ctx, "bait"); err != jetstream.ErrBadObjectMeta {
			t.Errorf("get with %q: %v", id, err)
		}
		if err := store.Delete(ctx, "bait"); err != jetstream.ErrBadObjectMeta {
			t.Errorf("delete with %q: %v", id, err)
		}
		if _, err := store.PutBytes(ctx, "bait", nil); err != jetstream.ErrBadObjectMeta {
			t.Errorf("put with %q: %v", id, err)
		}
		// Other objects are listed as if it were not there.
		if infos, err := store.List(ctx); err != nil || len(infos) != 1 || infos[0].Name != "kept" {
			t.Errorf("list with %q: %v, %v", id, infos, err)
		}
	}
	if got, err := store.GetBytes(ctx, "kept"); err != nil || len(got) != 1000 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestDescriptionOfAnotherStoreIsNotFollowedThere(t *testing.T) {
	t.Parallel()
	store, js, _ := objStart(t)
	ctx := objContext(t)
	other := objStore(t, js, "OTHER")
	objPut(t, other, "A", []byte("content"), 0)
	planted := objPut(t, store, "A", []byte("bait"), 0)
	objRawMeta(t, js, "B", "A", []byte(`{"name":"A","bucket":"OTHER","nuid":"`+planted.NUID+`","size":4,"chunks":1,"digest":"`+planted.Digest+`"}`))
	if err := store.Delete(ctx, "A"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.GetInfo(ctx, "A"); err != jetstream.ErrObjectNotFound {
		t.Errorf("deleted object: %v", err)
	}
	if got, err := other.GetString(ctx, "A"); err != nil || got != "content" {
		t.Errorf("the other store's object is %q, %v", got, err)
	}
	// A name that is none is refused.
	objRawMeta(t, js, "B", "A", []byte(`{"name":"A","bucket":"OTHER.M.x","nuid":"n"}`))
	if err := store.Delete(ctx, "A"); err != jetstream.ErrBadObjectMeta {
		t.Errorf("store with dots: %v", err)
	}
}

// A description that claims an empty object is held to its digest like any other.
func TestEmptyObjectWithADigestOfContentIsRefused(t *testing.T) {
	t.Parallel()
	store, js, _ := objStart(t)
	ctx := objContext(t)
	planted := objPut(t, store, "A", []byte("content"), 0)
	planted.Size = 0
	objMeta(t, js, planted)
	if got, err := store.GetBytes(ctx, "A"); err != jetstream.ErrDigestMismatch {
		t.Errorf("content is %q, %v", got, err)
	}
	empty := objPut(t, store, "E", nil, 0)
	if got, err := store.GetBytes(ctx, "E"); err != nil || len(got) != 0 {
		t.Errorf("content of %+v is %q, %v", empty, got, err)
	}
}
