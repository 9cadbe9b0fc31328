package stint

import "encoding/base64"

// bytesOfBase64URL decodes base64url in its one canonical form: no padding, no other characters, no bits left over.
// See RFC 7515 section 2, RFC 4648 section 3.5.
func bytesOfBase64URL(text string) ([]byte, bool) {
	return decodedExactly(base64.RawURLEncoding, text)
}

// bytesOfBase64 decodes base64 with its padding, as in x5c, in its one canonical form.
func bytesOfBase64(text string) ([]byte, bool) {
	return decodedExactly(base64.StdEncoding, text)
}

func decodedExactly(encoding *base64.Encoding, text string) ([]byte, bool) {
	data, err := encoding.Strict().DecodeString(text)
	// The decoder passes over line breaks. The bytes encode to the same text only if it passed over nothing.
	if err != nil || encoding.EncodeToString(data) != text {
		return nil, false
	}
	return data, true
}
