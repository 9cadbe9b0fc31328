package brokertest

import (
	"bytes"
	"compress/zlib"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"testing"
	"time"
)

// IssuerURL is the broker's, as its tokens have it.
const IssuerURL = "https://stint.example.org"

// Key signs whatever the test wants a broker to have said.
type Key struct{ private *ecdsa.PrivateKey }

// NewKey makes one that was never there.
func NewKey(t testing.TB) Key {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return Key{private: private}
}

// NewSigner is an issuer whose keys, of tokens, lists and events, are this one.
func NewSigner(t testing.TB, isTLS bool) (*Issuer, Key) {
	t.Helper()
	issuer, key := NewIssuer(t, isTLS), NewKey(t)
	issuer.ServeText("/spiffe-bundle.json", key.Document(t, "jwt-svid"))
	issuer.ServeText("/keys/events.json", key.Document(t, "sig"))
	return issuer, key
}

// Document is the set of this key, for one use.
func (key Key) Document(t testing.TB, use string) string {
	t.Helper()
	point, err := key.private.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	x, y := base64.RawURLEncoding.EncodeToString(point[1:33]), base64.RawURLEncoding.EncodeToString(point[33:])
	return fmt.Sprintf(`{"keys":[{"use":%q,"kid":"own","kty":"EC","crv":"P-256","x":%q,"y":%q}]}`, use, x, y)
}

// Sign makes a JWS of an explicit type.
func (key Key) Sign(t testing.TB, kind string, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	header := fmt.Sprintf(`{"alg":"ES256","kid":"own","typ":%q}`, kind)
	signed := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key.private, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// StepClaims are what a token says that permits reading by search.
func StepClaims(resource string, now time.Time, changes map[string]any) map[string]any {
	agent := "spiffe://example.org/agent/researcher"
	claims := map[string]any{
		"iss": IssuerURL, "sub": agent + "/run/r1/step/search/1", "aud": []string{resource}, "jti": "jti-1",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Unix() + 600, "client_id": agent,
		"run_id": "r1", "step": "search", "attempt": 1, "step_id": "step-1",
		"authorization_details": []any{map[string]any{
			"type": "mcp_tool", "locations": []string{resource}, "identifier": "search", "actions": []string{"read"},
			"datatypes": []string{"internal"},
		}},
	}
	maps.Copy(claims, changes)
	return claims
}

// InList is where a token's status stands.
func InList(name string, index int) map[string]any {
	return map[string]any{"status_list": map[string]any{"idx": index, "uri": IssuerURL + "/status/" + name}}
}

// List is a status list as it is now, of 1,024 tokens, of which these are invalid.
func (key Key) List(t testing.TB, name string, now time.Time, invalid ...int) string {
	t.Helper()
	data := make([]byte, 128)
	for _, index := range invalid {
		data[index/8] |= 1 << (index % 8)
	}
	var packed bytes.Buffer
	packing := zlib.NewWriter(&packed)
	_, _ = packing.Write(data)
	if err := packing.Close(); err != nil {
		t.Fatal(err)
	}
	return key.Sign(t, "statuslist+jwt", map[string]any{
		"iss": IssuerURL, "sub": IssuerURL + "/status/" + name, "iat": now.Unix(), "exp": now.Unix() + 60, "ttl": 5,
		"status_list": map[string]any{"bits": 1, "lst": base64.RawURLEncoding.EncodeToString(packed.Bytes())},
	})
}
