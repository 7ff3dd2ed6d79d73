package jetstream

import "fmt"

// keyClass says where a byte may occur.
type keyClass uint8

const (
	inBucket keyClass = 1 << iota // in the name of a bucket
	inKey                         // in a key, dots apart
	inFilter                      // in a filter for keys, dots and > apart
)

// keyClasses tells for each byte where it may occur.
var keyClasses = func() (table [256]keyClass) {
	set := func(chars string, class keyClass) {
		for i := range len(chars) {
			table[chars[i]] |= class
		}
	}
	set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", inBucket|inKey|inFilter)
	set("/=", inKey|inFilter)
	set("*", inFilter)
	return table
}()

// errInvalidFilter refuses a filter for keys.
var errInvalidFilter = fmt.Errorf("%w: key cannot be empty and must be a valid NATS subject", ErrInvalidKey)

// validBucket reports whether name can be that of a bucket.
func validBucket(name string) bool {
	for i := range len(name) {
		if keyClasses[name[i]]&inBucket == 0 {
			return false
		}
	}
	return name != ""
}

// validKey reports whether key can be the key of a value.
func validKey(key string) bool { return dotted(key, inKey) }

// validFilter reports whether filter can select keys: it is a key that may have
// wildcards, > only at its very end.
func validFilter(filter string) bool {
	if n := len(filter); n > 0 && filter[n-1] == '>' {
		head := filter[:n-1]
		if head == "" {
			return true
		}
		// What comes before may end in the dot that > needs.
		if head[len(head)-1] == '.' {
			head = head[:len(head)-1]
		}
		return dotted(head, inFilter)
	}
	return dotted(filter, inFilter)
}

// dotted reports whether s is made of one or more parts with a dot between them,
// none of which is empty or has a byte of another class.
func dotted(s string, class keyClass) bool {
	empty := true
	for i := range len(s) {
		switch {
		case s[i] == '.':
			if empty {
				return false
			}
			empty = true
		case keyClasses[s[i]]&class == 0:
			return false
		default:
			empty = false
		}
	}
	return !empty
}
