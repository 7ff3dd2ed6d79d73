package jetstream

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
)

// jsonAppender appends members of JSON objects as encoding/json writes them. Keys
// come with their quotes and colon. The methods that start with opt leave out
// what is zero or empty.
type jsonAppender struct {
	b      []byte
	failed bool // what was appended is of no use
}

// separate puts a comma in front of all elements but the first.
func (a *jsonAppender) separate(i int) {
	if i > 0 {
		a.b = append(a.b, ',')
	}
}

func (a *jsonAppender) key(key string) { a.b = append(appendComma(a.b), key...) }

// quoted appends a string.
func (a *jsonAppender) quoted(s string) {
	start := len(a.b)
	a.b = append(a.b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '<' || c == '>' || c == '&':
			const hex = "0123456789abcdef"
			a.b = append(a.b, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		case c < ' ' || c == '"' || c == '\\' || c > '~':
			// Escapes and what is not ASCII are rare.
			data, err := json.Marshal(s)
			a.failed = a.failed || err != nil
			a.b = append(a.b[:start], data...)
			return
		default:
			a.b = append(a.b, c)
		}
	}
	a.b = append(a.b, '"')
}

func (a *jsonAppender) text(key, s string) {
	a.key(key)
	a.quoted(s)
}

func (a *jsonAppender) optText(key, s string) {
	if s != "" {
		a.text(key, s)
	}
}

func (a *jsonAppender) optTexts(key string, texts []string) {
	if len(texts) == 0 {
		return
	}
	a.key(key)
	a.b = append(a.b, '[')
	for i, s := range texts {
		a.separate(i)
		a.quoted(s)
	}
	a.b = append(a.b, ']')
}

func (a *jsonAppender) optMap(key string, texts map[string]string) {
	if len(texts) == 0 {
		return
	}
	a.key(key)
	a.b = append(a.b, '{')
	for i, name := range slices.Sorted(maps.Keys(texts)) {
		a.separate(i)
		a.quoted(name)
		a.b = append(a.b, ':')
		a.quoted(texts[name])
	}
	a.b = append(a.b, '}')
}

func (a *jsonAppender) optInt(key string, n int64) { a.b = appendIntField(a.b, key, n) }

func (a *jsonAppender) optUint(key string, n uint64) {
	if n != 0 {
		a.key(key)
		a.b = strconv.AppendUint(a.b, n, 10)
	}
}

func (a *jsonAppender) optBool(key string, set bool) {
	if set {
		a.key(key)
		a.b = append(a.b, "true"...)
	}
}

func (a *jsonAppender) optTime(key string, t *time.Time) {
	if t == nil {
		return
	}
	data, err := t.MarshalJSON()
	a.failed = a.failed || err != nil
	a.key(key)
	a.b = append(a.b, data...)
}

// enum appends the word of a value.
func (a *jsonAppender) enum(key string, t *enumTable, value int) {
	if value < 0 || value >= len(t.words) {
		a.failed = true
		return
	}
	a.text(key, t.words[value])
}

// The following do the same for bytes alone.

func appendComma(b []byte) []byte {
	if b[len(b)-1] == '{' {
		return b
	}
	return append(b, ',')
}

func appendIntField(b []byte, key string, n int64) []byte {
	if n == 0 {
		return b
	}
	b = append(appendComma(b), key...)
	return strconv.AppendInt(b, n, 10)
}

func appendStringField(b []byte, key, value string) []byte {
	if value == "" {
		return b
	}
	b = append(appendComma(b), key...)
	return appendJSONString(b, value)
}

// appendJSONString appends s as a JSON string. Bytes that are not plain ASCII
// are passed on as they are: the server reads JSON in UTF-8.
func appendJSONString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
