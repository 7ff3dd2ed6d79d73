package jetstream

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"reflect"
	"time"
	"unicode/utf8"
)

const (
	// maxScanDepth is how deep the values a scan skips may be nested.
	maxScanDepth = 32

	// maxScanWords is how many different words a scan shares, and maxScanWord
	// the length of the longest.
	maxScanWords = 256
	maxScanWord  = 64
)

// jsonScan reads a JSON document from front to back, without reflection. It
// knows what servers write. Anything else, well-formed or not, makes it fail for
// the document as a whole, which is encoding/json's to decode then: so a scan
// that succeeds must not differ in its result from encoding/json.
//
// After a failure there is nothing left to read: methods return zero values,
// and loops over members and elements end.
//
// What it returns refers to nothing of the document.
type jsonScan struct {
	data   []byte
	pos    int // right behind what was read last
	failed bool

	// key is the name of the member whose value is next.
	key []byte

	// words has the strings that are likely to come again in the document. It
	// is nil for documents in which none is.
	words map[string]string
}

// scannedReply is an API response that can be read by a scan.
type scannedReply interface {
	apiReply
	// scan reads the response. What a scan that failed has left is of no use.
	scan(s *jsonScan)
}

// unmarshalReply is [json.Unmarshal] for an API response.
func unmarshalReply(data []byte, out apiReply) error {
	if reply, ok := out.(scannedReply); ok {
		s := jsonScan{data: data}
		reply.scan(&s)
		if s.complete() {
			return nil
		}
		reflect.ValueOf(out).Elem().SetZero()
	}
	return json.Unmarshal(data, out)
}

func (s *jsonScan) fail() {
	s.failed = true
	s.pos = len(s.data)
}

// complete reports whether the document was read to its end.
func (s *jsonScan) complete() bool {
	return s.peek() == 0 && s.pos == len(s.data) && !s.failed
}

// peek returns the byte the next token starts with, or 0 at the end.
func (s *jsonScan) peek() byte {
	for ; s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// open begins an object or an array.
func (s *jsonScan) open(bracket byte) {
	if s.peek() != bracket {
		s.fail()
		return
	}
	s.pos++
}

// next moves on to the next member or element of what open began, and reports
// false when there is none.
func (s *jsonScan) next(open, end byte) bool {
	// No value ends in an opening bracket.
	first := s.pos > 0 && s.pos <= len(s.data) && s.data[s.pos-1] == open
	switch c := s.peek(); {
	case c == end:
		s.pos++
		return false
	case first && c != 0:
		return true
	case c == ',':
		s.pos++
		return true
	default:
		s.fail()
		return false
	}
}

// element moves on to the next element of an array.
func (s *jsonScan) element() bool { return s.next('[', ']') }

// member moves on to the next member of an object and reads its key, which no
// server writes with escapes.
func (s *jsonScan) member() bool {
	if !s.next('{', '}') {
		return false
	}
	lit, plain := s.literal()
	if !plain {
		s.fail()
		return false
	}
	s.key = lit[1 : len(lit)-1]
	return s.colon()
}

func (s *jsonScan) colon() bool {
	if s.peek() != ':' {
		s.fail()
		return false
	}
	s.pos++
	return true
}

// literal returns the string that is next with its quotes, and whether all bytes
// in between stand for themselves. Escapes are not checked.
func (s *jsonScan) literal() (lit []byte, plain bool) {
	if s.peek() != '"' {
		s.fail()
		return nil, false
	}
	plain = true
	for i := s.pos + 1; i < len(s.data); i++ {
		switch c := s.data[i]; {
		case c == '"':
			lit = s.data[s.pos : i+1]
			s.pos = i + 1
			return lit, plain
		case c == '\\':
			plain = false
			i++
		case c < ' ':
			s.fail()
			return nil, false
		case c >= utf8.RuneSelf:
			plain = false
		}
	}
	s.fail()
	return nil, false
}

// text reads a string.
func (s *jsonScan) text() string {
	lit, plain := s.literal()
	if plain {
		return string(lit[1 : len(lit)-1])
	}
	var buf [256]byte
	return string(s.unescape(buf[:0], lit))
}

// same is text for a string that is likely to be equal to known.
func (s *jsonScan) same(known string) string {
	start := s.pos
	if lit, plain := s.literal(); plain && string(lit[1:len(lit)-1]) == known {
		return known
	}
	if s.failed {
		return ""
	}
	s.pos = start
	return s.text()
}

// word is text for strings that come again, in this document or, like the keys
// of the server's metadata, in all of them.
func (s *jsonScan) word() string {
	lit, plain := s.literal()
	if !plain {
		var buf [256]byte
		return string(s.unescape(buf[:0], lit))
	}
	text := lit[1 : len(lit)-1]
	switch string(text) {
	case "_nats.ver":
		return "_nats.ver"
	case "_nats.level":
		return "_nats.level"
	case "_nats.req.level":
		return "_nats.req.level"
	}
	if w, ok := s.words[string(text)]; ok {
		return w
	}
	w := string(text)
	if s.words != nil && len(s.words) < maxScanWords && len(w) <= maxScanWord {
		s.words[w] = w
	}
	return w
}

// unescape appends what a string with its quotes stands for. Of the escapes by
// number it knows those of ASCII, which include all that encoding/json makes for
// the sake of HTML.
func (s *jsonScan) unescape(b, lit []byte) []byte {
	if len(lit) == 0 || !utf8.Valid(lit) {
		s.fail()
		return nil
	}
	for rest := lit[1 : len(lit)-1]; len(rest) > 0; {
		if rest[0] != '\\' {
			b = append(b, rest[0])
			rest = rest[1:]
			continue
		}
		var c byte
		switch rest[1] {
		case '"', '\\', '/':
			c = rest[1]
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			code, ok := asciiEscape(rest)
			if !ok {
				s.fail()
				return nil
			}
			b = append(b, code)
			rest = rest[len(`\u0000`):]
			continue
		default:
			s.fail()
			return nil
		}
		b = append(b, c)
		rest = rest[2:]
	}
	return b
}

// asciiEscape decodes the escape \u00XX at the start of text.
func asciiEscape(text []byte) (byte, bool) {
	if len(text) < len(`\u0000`) || text[2] != '0' || text[3] != '0' {
		return 0, false
	}
	high, low := hexDigit(text[4]), hexDigit(text[5])
	if high > 7 || low > 15 {
		return 0, false
	}
	return high<<4 | low, true
}

// hexDigit returns the value of a hexadecimal digit, and 255 for other bytes.
func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// unmarshal reads a string into a type that decodes its own JSON.
func (s *jsonScan) unmarshal(v json.Unmarshaler) {
	if lit, plain := s.literal(); !plain || v.UnmarshalJSON(lit) != nil {
		s.fail()
	}
}

// base64 reads a string that stands for bytes. The decoder refuses all that is
// not of its alphabet, escapes included, except for line breaks.
func (s *jsonScan) base64() []byte {
	if s.peek() != '"' {
		s.fail()
		return nil
	}
	rest := s.data[s.pos+1:]
	end := bytes.IndexByte(rest, '"')
	if end < 0 || bytes.IndexByte(rest[:end], '\n') >= 0 || bytes.IndexByte(rest[:end], '\r') >= 0 {
		s.fail()
		return nil
	}
	decoded := make([]byte, base64.StdEncoding.DecodedLen(end))
	n, err := base64.StdEncoding.Decode(decoded, rest[:end])
	if err != nil {
		s.fail()
		return nil
	}
	s.pos += end + 2
	return decoded[:n]
}

// keyword reads a word such as true if it is what comes next.
func (s *jsonScan) keyword(word string) bool {
	if s.peek() != word[0] || len(s.data)-s.pos < len(word) || string(s.data[s.pos:s.pos+len(word)]) != word {
		return false
	}
	s.pos += len(word)
	return true
}

// null reads a null if it is what comes next.
func (s *jsonScan) null() bool { return s.keyword("null") }

func (s *jsonScan) bool() bool {
	if s.keyword("true") {
		return true
	}
	if !s.keyword("false") {
		s.fail()
	}
	return false
}

// uint64 reads a number without sign, point and exponent. What follows a number
// is checked by whoever reads on.
func (s *jsonScan) uint64() uint64 {
	if s.peek() == '0' {
		s.pos++
		return 0
	}
	start := s.pos
	n := uint64(0)
	for ; s.pos < len(s.data); s.pos++ {
		digit := uint64(s.data[s.pos] - '0')
		if digit > 9 {
			break
		}
		if n > (math.MaxUint64-digit)/10 {
			s.fail()
			return 0
		}
		n = n*10 + digit
	}
	if s.pos == start {
		s.fail()
	}
	return n
}

// int64 is uint64 for numbers that may have a sign.
func (s *jsonScan) int64() int64 {
	sign := int64(1)
	if s.peek() == '-' {
		s.pos++
		if s.pos == len(s.data) || hexDigit(s.data[s.pos]) > 9 {
			s.fail() // There is no space after a sign.
			return 0
		}
		sign = -1
	}
	n := s.uint64()
	if n > math.MaxInt64 {
		s.fail()
		return 0
	}
	return sign * int64(n)
}

// scanInt reads a number into an integer of any size.
func scanInt[T ~int | ~int32 | ~int64 | ~uint16](s *jsonScan, p *T) {
	n := s.int64()
	if *p = T(n); int64(*p) != n {
		s.fail()
	}
}

// scanPointer reads a value that can be null.
func scanPointer[T any](s *jsonScan, p **T, read func(*jsonScan, *T)) {
	if s.null() {
		*p = nil
		return
	}
	if *p == nil {
		*p = new(T)
	}
	read(s, *p)
}

// scanSlice reads an array that can be null and is expected to have room
// elements. An array that comes twice is left to encoding/json, which has rules
// of its own for what becomes of the first.
func scanSlice[T any](s *jsonScan, p *[]T, room int, read func(*jsonScan, *T)) {
	if *p != nil {
		s.fail()
		return
	}
	if s.null() {
		return
	}
	s.open('[')
	list := make([]T, 0, room)
	for s.element() {
		var zero T
		list = append(list, zero)
		read(s, &list[len(list)-1])
	}
	*p = list
}

// scanMap reads an object, which can be null, with strings or numbers by name.
func scanMap[T any](s *jsonScan, p *map[string]T, read func(*jsonScan) T) {
	if s.null() {
		*p = nil
		return
	}
	s.open('{')
	if *p == nil {
		*p = make(map[string]T)
	}
	for s.next('{', '}') {
		key := s.word()
		if s.colon() {
			(*p)[key] = read(s)
		}
	}
}

func scanText(s *jsonScan, p *string) { *p = s.text() }

func scanWord(s *jsonScan, p *string) { *p = s.word() }

func scanUint64(s *jsonScan, p *uint64) { *p = s.uint64() }

// zeroTime is what the server sends for a time that is not known, as those of the
// first and the last message of an empty stream.
const zeroTime = `"0001-01-01T00:00:00Z"`

// scanTime is [jsonScan.unmarshal] for a time, which need not be on the heap.
func scanTime(s *jsonScan, t *time.Time) {
	lit, plain := s.literal()
	if string(lit) == zeroTime {
		*t = time.Time{}
		return
	}
	if !plain || t.UnmarshalJSON(lit) != nil {
		s.fail()
	}
}

// skipMember reads the value of a member that is not of interest. Keys are left
// to encoding/json if they could be of interest when letter case is ignored.
func (s *jsonScan) skipMember() {
	for _, c := range s.key {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			s.fail()
			return
		}
	}
	s.skip(maxScanDepth)
}

// skip reads a value of any kind.
func (s *jsonScan) skip(depth int) {
	switch c := s.peek(); {
	case depth == 0:
		s.fail()
	case c == '"':
		if lit, plain := s.literal(); !plain {
			var buf [256]byte
			s.unescape(buf[:0], lit)
		}
	case c == '{':
		for s.open(c); s.next('{', '}'); {
			if _, plain := s.literal(); !plain {
				s.fail()
			} else if s.colon() {
				s.skip(depth - 1)
			}
		}
	case c == '[':
		for s.open(c); s.element(); {
			s.skip(depth - 1)
		}
	case c == 't', c == 'f':
		s.bool()
	case c == 'n' && s.null():
	default:
		s.int64()
	}
}
