package stint

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"time"
)

// statusOf gives where the status of a token stands. The issuer's lists are the only ones that are looked at, whatever the token names.
// See draft-ietf-oauth-status-list section 6.1.
func statusOf(claims map[string]any, issuer string) (tokenStatus, *Refusal) {
	status, _ := claims["status"].(map[string]any)
	place, isObject := status["status_list"].(map[string]any)
	if !isObject {
		return tokenStatus{}, claimsInvalid("status.status_list, since nothing else would tell of its end")
	}
	uri, _ := place["uri"].(string)
	name, isOfIssuer := statusListNameIn(issuer, uri)
	if !isOfIssuer {
		return tokenStatus{}, claimsInvalid("status.status_list.uri of a list of the issuer")
	}
	index, isWhole := wholeNumberOf(place["idx"])
	if !isWhole || index < 0 || index > countMax {
		return tokenStatus{}, claimsInvalid("status.status_list.idx as a whole number")
	}
	return tokenStatus{list: name, index: int(index)}, nil
}

// verifiedStatusList is a status list token whose signature and claims hold; what it says is still compressed.
type verifiedStatusList struct {
	issuedAt time.Time
	// Exclusive.
	expiresAt time.Time
	// How long it may be used without asking for a newer one.
	ttl        time.Duration
	bits       int
	compressed []byte
}

// listTerms are what a list is held to: the issuer, and the name of the list that was asked for.
type listTerms struct {
	issuer, name string
	now          time.Time
}

// verifyStatusListToken does not look at whether it was issued in the future: that tells of the verifier's clock.
//
// See draft-ietf-oauth-status-list sections 5.1 and 8.3.
func verifyStatusListToken(text string, keys eventKeys, terms listTerms) (*verifiedStatusList, *Refusal) {
	jws, refused := splitJWS(text, notAList)
	if refused != nil {
		return nil, refused
	}
	algorithm, claims, refused := jws.typedClaims("statuslist+jwt", notAList)
	if refused != nil {
		return nil, refused
	}
	if refused := keys.checkSignature(jws, algorithm, "status list", notAList); refused != nil {
		return nil, refused
	}
	if claims["iss"] != terms.issuer {
		return nil, refuse(IssuerMismatch, "the status list is of another issuer")
	}
	if claims["sub"] != statusListURI(terms.issuer, terms.name) {
		return nil, refuse(SubjectInvalid, "the status list is another one than was asked for")
	}
	issuedAt, isMade := numericDateOf(claims["iat"])
	expiresAt, isBounded := numericDateOf(claims["exp"])
	if !isMade || !isBounded {
		return nil, listInvalid("iat and exp as whole seconds since 1970")
	}
	ttl, refused := ttlIn(claims)
	if refused != nil {
		return nil, refused
	}
	list := &verifiedStatusList{issuedAt: time.Unix(issuedAt, 0), expiresAt: time.Unix(expiresAt, 0), ttl: ttl}
	if !terms.now.Before(list.expiresAt) {
		return nil, refuse(Expired, "the status list has expired")
	}
	list.bits, list.compressed, refused = statusesIn(claims["status_list"])
	return list, refused
}

// ttlIn gives what a list says, and no more than our own say.
func ttlIn(claims map[string]any) (time.Duration, *Refusal) {
	value, isThere := claims["ttl"]
	if !isThere {
		return statusListTTL, nil
	}
	seconds, isNumber := value.(float64)
	// Written as "not more", so that what is not a number is refused.
	if !isNumber || !(seconds > 0) {
		return 0, listInvalid("ttl as seconds")
	}
	return time.Duration(min(seconds, statusListTTL.Seconds()) * float64(time.Second)), nil
}

func statusesIn(value any) (bits int, compressed []byte, refused *Refusal) {
	members, _ := value.(map[string]any)
	size, _ := wholeNumberOf(members["bits"])
	if size != 1 && size != 2 && size != 4 && size != 8 {
		return 0, nil, listInvalid("status_list.bits as one of 1, 2, 4, 8")
	}
	lst, isText := members["lst"].(string)
	compressed, isExact := bytesOfBase64URL(lst)
	if !isText || !isExact {
		return 0, nil, listInvalid("status_list.lst as base64url without padding")
	}
	return int(size), compressed, nil
}

// unpacked takes no more than a list has of this many bits, whatever comes out.
func (list *verifiedStatusList) unpacked() (statuses, *Refusal) {
	bytesMax := statusListTokens * list.bits / 8
	unpacking, err := zlib.NewReader(bytes.NewReader(list.compressed))
	data := []byte{}
	if err == nil {
		data, err = io.ReadAll(io.LimitReader(unpacking, int64(bytesMax)+1))
	}
	if err != nil || len(data) > bytesMax {
		return statuses{}, listInvalid(fmt.Sprintf("status_list.lst as zlib of at most %d bytes", bytesMax))
	}
	return statuses{bits: list.bits, data: data}, nil
}

func notAList(expected string) *Refusal {
	return refuse(TokenMalformed, "not a status list: expected "+expected)
}

func listInvalid(expected string) *Refusal {
	return refuse(ClaimsInvalid, "claims of the status list: expected "+expected)
}
