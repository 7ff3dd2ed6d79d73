package jetstream_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"example.com/jetstream"
	reference "github.com/nats-io/nats.go/jetstream"
)

// enumKind is what the tests do with an enum type, whatever its Go type.
type enumKind struct {
	name      string
	words     []string // by value
	names     []string // by value, nil without a String method
	unnamed   string   // String of an unknown value
	encodeErr string   // for the value 99
	decodeErr string   // with the raw JSON quoted for %q
	folds     bool

	encode func(value int) ([]byte, error)
	decode func(data []byte) (int, error)
	text   func(value int) string // nil without a String method

	refEncode func(value int) ([]byte, error)
	refDecode func(data []byte) (int, error)
	refText   func(value int) string
}

type enumInt interface{ ~int | ~uint8 }

func enumEncoder[T enumInt](value int) ([]byte, error) { return json.Marshal(T(value)) }

// enumDecoder starts from a value that no word stands for, so that decoding
// which sets nothing shows.
func enumDecoder[T enumInt](data []byte) (int, error) {
	v := T(77)
	err := any(&v).(json.Unmarshaler).UnmarshalJSON(data)
	return int(v), err
}

func enumText[T enumInt](value int) string {
	if s, ok := any(T(value)).(fmt.Stringer); ok {
		return s.String()
	}
	return "no String method"
}

func newEnumKind[Own, Ref enumInt](kind enumKind) enumKind {
	kind.name = reflect.TypeFor[Own]().Name()
	kind.encode, kind.refEncode = enumEncoder[Own], enumEncoder[Ref]
	kind.decode, kind.refDecode = enumDecoder[Own], enumDecoder[Ref]
	kind.text, kind.refText = enumText[Own], enumText[Ref]
	return kind
}

var enumKinds = []enumKind{
	newEnumKind[jetstream.RetentionPolicy, reference.RetentionPolicy](enumKind{
		words:     []string{"limits", "interest", "workqueue"},
		names:     []string{"Limits", "Interest", "WorkQueue"},
		unnamed:   "Unknown Retention Policy",
		encodeErr: "nats: can not marshal Unknown Retention Policy",
		decodeErr: "nats: can not unmarshal %q",
	}),
	newEnumKind[jetstream.DiscardPolicy, reference.DiscardPolicy](enumKind{
		words:     []string{"old", "new"},
		names:     []string{"DiscardOld", "DiscardNew"},
		unnamed:   "Unknown Discard Policy",
		encodeErr: "nats: can not marshal Unknown Discard Policy",
		decodeErr: "nats: can not unmarshal %q",
		folds:     true,
	}),
	newEnumKind[jetstream.StorageType, reference.StorageType](enumKind{
		words:     []string{"file", "memory"},
		names:     []string{"File", "Memory"},
		unnamed:   "Unknown Storage Type",
		encodeErr: "nats: can not marshal Unknown Storage Type",
		decodeErr: "nats: can not unmarshal %q",
	}),
	newEnumKind[jetstream.PersistModeType, reference.PersistModeType](enumKind{
		words:     []string{"default", "async"},
		names:     []string{"Default", "Async"},
		unnamed:   "Unknown Persist Mode",
		encodeErr: "nats: can not marshal Unknown Persist Mode",
		decodeErr: "nats: can not unmarshal %q",
		folds:     true,
	}),
	newEnumKind[jetstream.StoreCompression, reference.StoreCompression](enumKind{
		words:     []string{"none", "s2"},
		names:     []string{"None", "S2"},
		unnamed:   "Unknown StoreCompression",
		encodeErr: "unknown compression algorithm",
		decodeErr: "unknown compression algorithm",
	}),
	newEnumKind[jetstream.DeliverPolicy, reference.DeliverPolicy](enumKind{
		words:     []string{"all", "last", "new", "by_start_sequence", "by_start_time", "last_per_subject"},
		names:     []string{"all", "last", "new", "by_start_sequence", "by_start_time", "last_per_subject"},
		encodeErr: "nats: unknown deliver policy ",
		decodeErr: "nats: cannot unmarshal %q",
	}),
	newEnumKind[jetstream.AckPolicy, reference.AckPolicy](enumKind{
		words:     []string{"explicit", "all", "none", "flow_control"},
		names:     []string{"AckExplicit", "AckAll", "AckNone", "AckFlowControl"},
		unnamed:   "Unknown AckPolicy",
		encodeErr: "nats: unknown acknowledgement policy Unknown AckPolicy",
		decodeErr: "nats: cannot unmarshal %q",
	}),
	newEnumKind[jetstream.ReplayPolicy, reference.ReplayPolicy](enumKind{
		words:     []string{"instant", "original"},
		names:     []string{"instant", "original"},
		encodeErr: "nats: unknown replay policy ",
		decodeErr: "nats: cannot unmarshal %q",
	}),
	newEnumKind[jetstream.PriorityPolicy, reference.PriorityPolicy](enumKind{
		words:     []string{"", "pinned_client", "overflow", "prioritized"},
		unnamed:   "no String method",
		encodeErr: "nats: unknown priority policy 99",
		decodeErr: "nats: cannot unmarshal %q",
	}),
}

func TestEnumsEncodeTheirWords(t *testing.T) {
	t.Parallel()
	for _, kind := range enumKinds {
		for value, word := range kind.words {
			data, err := kind.encode(value)
			if err != nil || string(data) != `"`+word+`"` {
				t.Errorf("%s(%d) encodes as %s, %v; want %q", kind.name, value, data, err, word)
			}
		}
		for _, value := range []int{len(kind.words), 99} {
			if data, err := kind.encode(value); err == nil {
				t.Errorf("%s(%d) encodes as %s, want an error", kind.name, value, data)
			}
		}
		_, err := kind.encode(99)
		var marshalErr *json.MarshalerError
		if !errors.As(err, &marshalErr) || marshalErr.Err.Error() != kind.encodeErr {
			t.Errorf("%s(99) fails with %v, want %q", kind.name, err, kind.encodeErr)
		}
	}
}

func TestEnumsDecodeTheirWords(t *testing.T) {
	t.Parallel()
	for _, kind := range enumKinds {
		for want, word := range kind.words {
			if value, err := kind.decode([]byte(`"` + word + `"`)); err != nil || value != want {
				t.Errorf("%s from %q is %d, %v; want %d", kind.name, word, value, err, want)
			}
			upper := strings.ToUpper(word)
			if upper == word {
				continue
			}
			value, err := kind.decode([]byte(`"` + upper + `"`))
			if kind.folds && (err != nil || value != want) {
				t.Errorf("%s from %q is %d, %v; want %d", kind.name, upper, value, err, want)
			}
			if !kind.folds && err == nil {
				t.Errorf("%s from %q is %d, want an error", kind.name, upper, value)
			}
		}
	}
}

func TestEnumsRefuseUnknownWordsAndKeepTheirValue(t *testing.T) {
	t.Parallel()
	for _, kind := range enumKinds {
		for _, data := range []string{`"unheard-of"`, `" "`, `null`} {
			value, err := kind.decode([]byte(data))
			want := kind.decodeErr
			if strings.Contains(want, "%q") {
				want = fmt.Sprintf(want, data)
			}
			if err == nil || err.Error() != want || value != 77 {
				t.Errorf("%s from %s is %d, %v; want %q", kind.name, data, value, err, want)
			}
		}
		if value, err := kind.decode([]byte(`1`)); err == nil || value != 77 {
			t.Errorf("%s from 1 is %d, %v; want an error", kind.name, value, err)
		}
	}
}

func TestDeliverPolicyDecodesUndefinedAsAll(t *testing.T) {
	t.Parallel()
	policy := jetstream.DeliverNewPolicy
	if err := json.Unmarshal([]byte(`"undefined"`), &policy); err != nil || policy != jetstream.DeliverAllPolicy {
		t.Errorf("got %v, %v", policy, err)
	}
}

func TestStoreCompressionReportsJSONOfAnotherType(t *testing.T) {
	t.Parallel()
	var c jetstream.StoreCompression
	var typeErr *json.UnmarshalTypeError
	if err := json.Unmarshal([]byte(`7`), &c); !errors.As(err, &typeErr) {
		t.Errorf("got %v, want an UnmarshalTypeError", err)
	}
}

func TestEnumsHaveTheirNames(t *testing.T) {
	t.Parallel()
	for _, kind := range enumKinds {
		for value, name := range kind.names {
			if got := kind.text(value); got != name {
				t.Errorf("%s(%d) is named %q, want %q", kind.name, value, got, name)
			}
		}
		if got := kind.text(99); got != kind.unnamed {
			t.Errorf("%s(99) is named %q, want %q", kind.name, got, kind.unnamed)
		}
	}
}

func enumErrText(err error) string {
	// The types live in different packages; nothing else may differ.
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error(), "*jetstream.", "jetstream.")
}

func TestEnumsEncodeAsInTheReference(t *testing.T) {
	t.Parallel()
	for _, kind := range enumKinds {
		for value := -2; value < 12; value++ {
			got, gotErr := kind.encode(value)
			want, wantErr := kind.refEncode(value)
			if string(got) != string(want) || enumErrText(gotErr) != enumErrText(wantErr) {
				t.Errorf("%s(%d) encodes as %s, %v; want %s, %v", kind.name, value, got, gotErr, want, wantErr)
			}
			if got, want := kind.text(value), kind.refText(value); got != want {
				t.Errorf("%s(%d) is named %q, want %q", kind.name, value, got, want)
			}
		}
	}
}

// FuzzEnumJSON holds decoding against the reference, for JSON and for whatever
// else a caller of UnmarshalJSON may pass.
func FuzzEnumJSON(f *testing.F) {
	for _, kind := range enumKinds {
		for _, word := range kind.words {
			f.Add([]byte(`"` + word + `"`))
			f.Add([]byte(`"` + strings.ToUpper(word) + `"`))
			f.Add([]byte(word))
		}
	}
	for _, s := range []string{`"undefined"`, `null`, `""`, `"`, ``, `1`, ` "old" `, `"\u006fld"`, `"a\u017fync"`, "\"a\u017fync\"", "\"\xff\"", `"s2`, `{}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, kind := range enumKinds {
			got, gotErr := kind.decode(data)
			want, wantErr := kind.refDecode(data)
			if got != want || enumErrText(gotErr) != enumErrText(wantErr) {
				t.Errorf("%s from %q is %d, %v; want %d, %v", kind.name, data, got, gotErr, want, wantErr)
			}
			if gotErr != nil {
				continue
			}
			encoded, err := kind.encode(got)
			if err != nil {
				t.Fatalf("%s(%d) from %q: %v", kind.name, got, data, err)
			}
			if again, err := kind.decode(encoded); err != nil || again != got {
				t.Errorf("%s(%d) encoded as %s decodes to %d, %v", kind.name, got, encoded, again, err)
			}
		}
	})
}
