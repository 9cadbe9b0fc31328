package stint

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"
)

const (
	pollMethod       = "urn:ietf:rfc:8936"
	streamPath       = "/ssf/stream"
	streamStatusPath = "/ssf/status"
	streamVerifyPath = "/ssf/verify"
	pollPath         = "/ssf/poll"
	// In one answer.
	eventsMax = 100
	// A hundred events of two KiB, and room.
	eventsBytesMax = 1024 * 1024
	// The issuer waits eight seconds for something to tell.
	pollTimeout = 11 * time.Second
)

// eventStream is the one of the receiver's entry, as the issuer says it.
type eventStream struct {
	id string
	// Of its events.
	audience string
	// What may be presented at one of these, its events tell of.
	audiences []string
}

// polled is what a poll was answered with.
type polled struct {
	// Security event tokens, by jti.
	sets map[string]string
	more bool
	// By the issuer's clock, rounded down.
	date time.Time
}

// eventStreams are asked for with the X.509-SVID of their receiver. See SSF 1.0 section 8.1, RFC 8936 section 2.
type eventStreams struct {
	place issuerPlace
	svid  func(context.Context) (*tls.Certificate, error)
	// The one that is shown.
	shown atomic.Pointer[tls.Certificate]
}

// open gives the stream that there is, or else one that is made.
func (streams *eventStreams) open(ctx context.Context) (*eventStream, *unavailable) {
	listed, failed := streams.ask(ctx, streamPath, nil, 0)
	if failed != nil {
		return nil, failed
	}
	if listed.status != http.StatusOK {
		return nil, answered(streamPath, listed.status)
	}
	// A list is no object, so that it is read as a member of one.
	members, _ := parseStrictObject(slices.Concat([]byte(`{"streams":`), listed.body, []byte("}")))
	known, isList := members["streams"].([]any)
	if !isList {
		return nil, unavailablef("%s was answered with no list of streams", streamPath)
	}
	if len(known) > 0 {
		return streamIn(known[0])
	}
	made, failed := streams.ask(ctx, streamPath, map[string]any{"delivery": map[string]any{"method": pollMethod}}, 0)
	if failed != nil {
		return nil, failed
	}
	if made.status != http.StatusCreated {
		return nil, answered(streamPath, made.status)
	}
	stream, _ := parseStrictObject(made.body)
	return streamIn(stream)
}

// poll acknowledges what was received, and asks for what comes next; waits says whether the issuer may wait until there is something.
func (streams *eventStreams) poll(ctx context.Context, acknowledged []string, waits bool) (*polled, *unavailable) {
	want := map[string]any{"maxEvents": eventsMax, "returnImmediately": !waits, "ack": append([]string{}, acknowledged...)}
	answer, failed := streams.ask(ctx, pollPath, want, pollTimeout)
	if failed != nil {
		return nil, failed
	}
	if answer.status == http.StatusNotFound {
		return nil, unusable("the stream of this verifier is gone")
	}
	if answer.status != http.StatusOK {
		return nil, answered(pollPath, answer.status)
	}
	members, _ := parseStrictObject(answer.body)
	sets, isWhole := members["sets"].(map[string]any)
	found := &polled{sets: map[string]string{}, date: answer.date}
	for jti, set := range sets {
		text, isText := set.(string)
		found.sets[jti], isWhole = text, isWhole && isText
	}
	if !isWhole || answer.date.IsZero() {
		return nil, unavailablef("%s was answered with no events", pollPath)
	}
	more, isSaid := members["moreAvailable"]
	found.more = isSaid && more != false
	return found, nil
}

// check says that the stream is as it was when it was opened, and that events are sent on it.
func (streams *eventStreams) check(ctx context.Context, stream *eventStream) *unavailable {
	at := "?stream_id=" + url.QueryEscape(stream.id)
	var said [2]map[string]any
	for index, path := range []string{streamStatusPath, streamPath} {
		answer, failed := streams.ask(ctx, path+at, nil, 0)
		switch {
		case failed != nil:
			return failed
		case answer.status == http.StatusNotFound:
			return unusable("the stream of this verifier is gone")
		case answer.status != http.StatusOK:
			return answered(streamPath, answer.status)
		}
		said[index], _ = parseStrictObject(answer.body)
	}
	if said[0]["status"] != "enabled" {
		return unusable("the stream of this verifier is not enabled")
	}
	now, failed := streamIn(said[1])
	if failed != nil {
		return failed
	}
	for _, one := range stream.audiences {
		if !slices.Contains(now.audiences, one) {
			return unusable("the stream of this verifier is for other audiences")
		}
	}
	return nil
}

// verify asks for an event with this text in it, which every receiver of the stream may be sent.
func (streams *eventStreams) verify(ctx context.Context, stream *eventStream, state string) *unavailable {
	answer, failed := streams.ask(ctx, streamVerifyPath, map[string]any{"stream_id": stream.id, "state": state}, 0)
	if failed != nil {
		return failed
	}
	// Too soon after the last, whoever asked for that.
	if answer.status != http.StatusNoContent && answer.status != http.StatusTooManyRequests {
		return answered(streamVerifyPath, answer.status)
	}
	return nil
}

func (streams *eventStreams) ask(
	ctx context.Context, path string, body map[string]any, timeout time.Duration,
) (*issuerAnswer, *unavailable) {
	svid, err := streams.svid(ctx)
	if err != nil || svid == nil {
		return nil, unavailablef("there is no X.509-SVID of this verifier to be had")
	}
	streams.shown.Store(svid)
	want := asked{path: path, accept: "application/json", bytesMax: eventsBytesMax, timeout: timeout}
	if body != nil {
		if want.body, err = json.Marshal(body); err != nil {
			return nil, unavailablef("%s can't be asked for", path)
		}
	}
	return streams.place.ask(ctx, want)
}

func streamIn(value any) (*eventStream, *unavailable) {
	members, _ := value.(map[string]any)
	stream := &eventStream{}
	var isNamed, isFor, isWhole bool
	stream.id, isNamed = members["stream_id"].(string)
	stream.audience, isFor = members["aud"].(string)
	stream.audiences, isWhole = textsOf(members["audiences"])
	delivery, isDelivered := members["delivery"].(map[string]any)
	events, areEvents := textsOf(members["events_delivered"])
	switch {
	case !isNamed || !isFor || !isWhole || !isDelivered || !areEvents:
		return nil, unusable(streamPath + " was answered with no stream, or with one that does not say its audiences")
	case delivery["method"] != pollMethod:
		return nil, unusable("the stream of this verifier is for push")
	case !slices.Contains(events, sessionRevoked):
		return nil, unusable("the stream of this verifier is without session-revoked")
	default:
		return stream, nil
	}
}

// unusable is why a stream does not tell of every end, or did not meanwhile.
func unusable(message string) *unavailable { return &unavailable{message: message, isOfStream: true} }

func answered(path string, status int) *unavailable {
	return unavailablef("%s was answered %d", path, status)
}
