package stint

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// denyKey is what a denial can name.
type denyKey struct{ kind, first, second string }

func stepKey(stepID string) denyKey { return denyKey{kind: "step", first: stepID} }

// spiffeIDHashKey names a SPIFFE ID by its SHA-256.
func spiffeIDHashKey(digest []byte) denyKey {
	return denyKey{kind: "spiffe-id", first: hex.EncodeToString(digest)}
}

func spiffeIDKey(id string) denyKey {
	digest := sha256.Sum256([]byte(id))
	return spiffeIDHashKey(digest[:])
}

func jwtKey(issuer, jti string) denyKey { return denyKey{kind: "jwt", first: issuer, second: jti} }

// denial is one as the feed gave it.
type denial struct {
	// One for a credential, two for a step: its id, and the hash of its SPIFFE ID. None for what is never presented here.
	keys []denyKey
	// RFC 5280 reason name.
	reason string
	// In which the step ended; empty where a credential alone was revoked.
	state    string
	sequence uint64
	// Zero: never.
	forgetAfter time.Time
}

// refusal is what a denial is to whoever presents what it names.
func (denied *denial) refusal() *Refusal {
	if denied.state == "" {
		return refuseWith(Revoked, "the credential was revoked", map[string]string{"reason": denied.reason})
	}
	return refuseWith(Revoked, "the step has ended", map[string]string{"reason": denied.reason, "state": denied.state})
}

// denyList: nothing that is denied is ever permitted again.
type denyList map[denyKey]denial

// add returns the keys that were not denied before.
//
// A denial that is there already changes nothing but when it may be forgotten: the later of both.
func (list denyList) add(denials []denial) []denyKey {
	var added []denyKey
	for _, one := range denials {
		for _, key := range one.keys {
			known, isKnown := list[key]
			if !isKnown {
				added = append(added, key)
				list[key] = one
				continue
			}
			list[key] = merged(known, one)
		}
	}
	return added
}

// find gives the first denial of any of these; nil for none.
func (list denyList) find(keys []denyKey) *denial {
	for _, key := range keys {
		if found, isDenied := list[key]; isDenied {
			return &found
		}
	}
	return nil
}

// forget drops what may be forgotten; nothing else is ever dropped.
func (list denyList) forget(now time.Time) {
	for key, one := range list {
		if !one.forgetAfter.IsZero() && !one.forgetAfter.After(now) {
			delete(list, key)
		}
	}
}

// merged: the earlier tells why, the later how long; the same in whichever order they came.
func merged(one, other denial) denial {
	order := cmp.Or(
		cmp.Compare(one.sequence, other.sequence),
		cmp.Compare(one.reason+" "+one.state, other.reason+" "+other.state),
	)
	if order > 0 {
		one, other = other, one
	}
	if one.forgetAfter.IsZero() || other.forgetAfter.IsZero() {
		one.forgetAfter = time.Time{}
	} else if other.forgetAfter.After(one.forgetAfter) {
		one.forgetAfter = other.forgetAfter
	}
	return one
}
