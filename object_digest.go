package jetstream

import (
	"encoding/base64"
	"hash"
	"strings"
)

// objectDigestPrefix starts the digests of objects this package stores.
const objectDigestPrefix = "SHA-256="

// GetObjectDigestValue returns the current sum of a hash as it stands in
// [ObjectInfo].Digest: SHA-256= followed by the sum in URL-safe base64 with
// padding. The hash is not changed and should be a SHA-256.
func GetObjectDigestValue(data hash.Hash) string {
	return objectDigestPrefix + base64.URLEncoding.EncodeToString(data.Sum(nil))
}

// DecodeObjectDigest returns the sum in a digest, which is what follows its first
// equals sign. Which algorithm it names is not checked. Without an equals sign it
// returns [ErrInvalidDigestFormat]; if the rest is not base64, the error of
// encoding/base64.
func DecodeObjectDigest(data string) ([]byte, error) {
	_, sum, ok := strings.Cut(data, "=")
	if !ok {
		return nil, ErrInvalidDigestFormat
	}
	return base64.URLEncoding.DecodeString(sum)
}
