#!/usr/bin/env bash
# keyfunc makes `golang-jwt` verify by a JWK Set at a URL. One key in the set with a `use` that it does not know, and it takes none of the set:
# tokens by the other keys, which are as they should be, are refused as signed by an unknown key. RFC 7517, section 5, has implementations
# pass over the keys that they do not understand. And it starts without an error all the same, with a line in the log; only
# `NoErrorReturnFirstHTTPReq: false` turns that into one. A SPIFFE bundle is such a set: its keys say `"use": "jwt-svid"` and `"use": "x509-svid"`. So whoever verifies JWT-SVIDs
# with it needs the keys without `use`, or with `sig`, at another address, and the option set.
#
# Seen: keyfunc v3.9.2 and golang-jwt v5.3.1 (Go 1.26). RFC 7517 section 5; SPIFFE: "SPIFFE Trust Domain and Bundle", section 4.2.2.
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

cat > main.go <<'GO'
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

func main() {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	point, _ := key.PublicKey.Bytes()
	x, y := base64.RawURLEncoding.EncodeToString(point[1:33]), base64.RawURLEncoding.EncodeToString(point[33:])
	unsigned := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"sub": "spiffe://example.org/agent"})
	unsigned.Header["kid"] = "k1"
	token, _ := unsigned.SignedString(key)
	own := fmt.Sprintf(`{"kty":"EC","crv":"P-256","kid":"k1","use":"sig","x":%q,"y":%q}`, x, y)
	other := fmt.Sprintf(`{"kty":"EC","crv":"P-256","kid":"k2","use":"jwt-svid","x":%q,"y":%q}`, x, y)
	for _, keys := range []string{own, own + "," + other} {
		set := `{"keys":[` + keys + `]}`
		served := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, set) }))
		for _, strict := range []bool{false, true} {
			quiet := !strict
			override := keyfunc.Override{NoErrorReturnFirstHTTPReq: &quiet}
			keyfuncs, err := keyfunc.NewDefaultOverrideCtx(context.Background(), []string{served.URL}, override)
			fmt.Printf("with another key: %t, strict: %t, starts: %t", keys != own, strict, err == nil)
			if err == nil {
				_, err = jwt.Parse(token, keyfuncs.Keyfunc)
				fmt.Printf(", believes a token by the first: %t", err == nil)
			}
			fmt.Println()
		}
	}
}
GO
cat > go.mod <<'MOD'
module seen

go 1.25
MOD
go get github.com/MicahParks/keyfunc/v3@v3.9.2 github.com/golang-jwt/jwt/v5@v5.3.1 2> /dev/null

go run . 2> /dev/null | tee seen.txt
diff seen.txt - <<'SEEN'
with another key: false, strict: false, starts: true, believes a token by the first: true
with another key: false, strict: true, starts: true, believes a token by the first: true
with another key: true, strict: false, starts: true, believes a token by the first: false
with another key: true, strict: true, starts: false
SEEN
