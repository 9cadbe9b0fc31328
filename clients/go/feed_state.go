package stint

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"stint.example/stint/internal/stintv1"
)

// A sweep visits the whole list, so not each second.
const sweepInterval = 30 * time.Second

// applied is what a message led to.
type applied struct {
	// What is denied since, and was not before.
	denied []denyKey
	// The cursor to acknowledge; nil: it has not moved.
	acknowledge []byte
	confirmed   bool
}

type pingUnderWay struct {
	nonce []byte
	sent  instant
}

// feedState is what a verifier knows by its feed: deny-list, bundles, and how fresh they are.
//
// Pure: time comes in, nothing goes out but values. Whoever uses it from several goroutines guards it.
type feedState struct {
	denied  denyList
	bundles bundleSet
	// The last ping that was answered; nil before the first deny-list and the first bundle are there.
	confirmed *confirmedAt
	// Where to resume; empty for a snapshot.
	cursor []byte

	pings       []pingUnderWay
	parts       []denial
	isInParts   bool
	hasSnapshot bool
	sweptAt     time.Time
	// Foreign trust domains that this stream has not spoken of yet.
	unspoken map[string]bool
}

func newFeedState() *feedState {
	return &feedState{denied: denyList{}, bundles: bundleSet{}, unspoken: map[string]bool{}}
}

// restart is for a new stream: what came half and what was not answered on the last one is void.
func (state *feedState) restart() {
	state.parts, state.isInParts, state.pings = nil, false, nil
	clear(state.unspoken)
	for name, bundle := range state.bundles {
		if bundle.federated {
			state.unspoken[name] = true
		}
	}
}

func (state *feedState) pinged(nonce []byte, sent instant) {
	state.pings = append(state.pings, pingUnderWay{nonce: nonce, sent: sent})
}

// apply takes one message in, whole.
//
// It fails when the message cannot be applied; the stream is then of no use, since what was meant to be denied is not.
func (state *feedState) apply(response *stintv1.WatchResponse, received instant) (applied, *Error) {
	switch message := response.GetMessage().(type) {
	case *stintv1.WatchResponse_Snapshot_:
		return state.applySnapshot(message.Snapshot)
	case *stintv1.WatchResponse_Denied_:
		denials, err := denialsOf(message.Denied.GetDenials())
		if err != nil {
			return applied{}, err
		}
		return applied{denied: state.denied.add(denials), acknowledge: state.moveTo(message.Denied.GetCursor())}, nil
	case *stintv1.WatchResponse_Pong_:
		return state.applyPong(message.Pong, received), nil
	case *stintv1.WatchResponse_Bundle_:
		bundle, err := bundleOf(message.Bundle)
		if err != nil {
			return applied{}, err
		}
		// A set of its own for each state: a verification that has begun goes on with the keys that it began with.
		state.bundles = maps.Clone(state.bundles)
		state.bundles[bundle.trustDomain] = bundle
		delete(state.unspoken, bundle.trustDomain)
		return applied{}, nil
	default:
		return applied{}, invalidField("message", "one of those of stint.v1.WatchResponse")
	}
}

func (state *feedState) applySnapshot(part *stintv1.WatchResponse_Snapshot) (applied, *Error) {
	denials, err := denialsOf(part.GetDenials())
	if err != nil {
		return applied{}, err
	}
	state.parts, state.isInParts = append(state.parts, denials...), true
	if !part.GetLast() {
		return applied{}, nil
	}
	// What the snapshot does not name is kept until it may be forgotten: nothing denied is ever permitted again, so a broker that leaves
	// it out has forgotten it, or was put back in time.
	denied := state.denied.add(state.parts)
	state.parts, state.isInParts, state.hasSnapshot = nil, false, true
	return applied{denied: denied, acknowledge: state.moveTo(part.GetCursor())}, nil
}

func (state *feedState) applyPong(pong *stintv1.WatchResponse_Pong, received instant) applied {
	isAnswered := func(ping pingUnderWay) bool { return bytes.Equal(ping.nonce, pong.GetNonce()) }
	at := slices.IndexFunc(state.pings, isAnswered)
	if at < 0 || pong.GetBrokerTime() == nil {
		return applied{}
	}
	candidate := &confirmedAt{sent: state.pings[at].sent, received: received, brokerTime: pong.GetBrokerTime().AsTime()}
	// Answers come in the order of the pings, so those before this one get none.
	state.pings = slices.Clone(state.pings[at+1:])
	// A foreign bundle that did not come again was withdrawn meanwhile; all that do come before the first answer.
	if len(state.unspoken) > 0 {
		state.bundles = maps.Clone(state.bundles)
		maps.DeleteFunc(state.bundles, func(name string, _ jwtBundle) bool { return state.unspoken[name] })
		clear(state.unspoken)
	}
	if !state.hasSnapshot || state.isInParts || !state.hasOwnBundle() || !candidate.isConclusive() {
		return applied{}
	}
	state.confirmed = candidate
	// By whichever clock is behind, so that a clock that is ahead for a moment makes nothing forgotten.
	now := received.wall
	if candidate.brokerTime.Before(now) {
		now = candidate.brokerTime
	}
	state.sweep(now)
	return applied{acknowledge: state.moveTo(pong.GetCursor()), confirmed: true}
}

func (state *feedState) hasOwnBundle() bool {
	for _, bundle := range state.bundles {
		if !bundle.federated {
			return true
		}
	}
	return false
}

func (state *feedState) moveTo(cursor []byte) []byte {
	// Short of a whole deny-list there is nothing to resume from, and nothing to acknowledge.
	if !state.hasSnapshot || state.isInParts || len(cursor) == 0 || bytes.Equal(cursor, state.cursor) {
		return nil
	}
	state.cursor = cursor
	return cursor
}

func (state *feedState) sweep(now time.Time) {
	if now.Sub(state.sweptAt).Abs() >= sweepInterval {
		state.sweptAt = now
		state.denied.forget(now)
	}
}
