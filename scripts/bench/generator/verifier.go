package main

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// verifier follows the feed as the SDK's verifiers do, on a connection of its own: it asks for a snapshot, pings, acknowledges, and comes
// back when it was cut off. What is denied it does not keep.
type verifier struct {
	socket string
	// Told of each close that it hears of, with the time when it heard.
	onDenied func(stepID string, at time.Time)

	guard     sync.Mutex
	failures  map[string]int
	attempts  int
	readyAt   time.Time
	isStopped bool
	open      *connection
}

const (
	pingInterval = time.Second
	// A broker that leaves a ping unanswered for this long is left for a new connection.
	pongTimeout = 10 * time.Second
	// The pause before it tries again: twice as long after each failure, and spread.
	reconnectMin = 100 * time.Millisecond
	reconnectMax = 2 * time.Second
	// Seconds; what a verifier of the SDK says unless it is told otherwise.
	maxStaleness = 10
	// What a snapshot needs for a moment is not kept for what comes after it.
	keptBytes = 64 * 1024
)

// Fields of stint.v1.WatchResponse, of which each message has one.
const (
	snapshotField = 1
	deniedField   = 2
	pongField     = 3
	bundleField   = 4
)

// follow goes on until stop is called; ready is told once.
func (v *verifier) follow(ready func()) {
	for {
		err := v.watch(ready)
		v.guard.Lock()
		if v.isStopped {
			v.guard.Unlock()
			return
		}
		v.failures[err.Error()]++
		pause := min(reconnectMin<<min(v.attempts, 10), reconnectMax)
		v.attempts++
		v.guard.Unlock()
		time.Sleep(time.Duration(float64(pause) * (0.5 + rand.Float64()/2)))
	}
}

func (v *verifier) stop() {
	v.guard.Lock()
	defer v.guard.Unlock()
	v.isStopped = true
	if v.open != nil {
		v.open.close()
	}
}

func (v *verifier) watch(ready func()) error {
	opened, err := connect(v.socket)
	if err != nil {
		return err
	}
	defer opened.close()
	v.guard.Lock()
	v.open = opened
	v.guard.Unlock()
	// Durations have their seconds in field 1; hello has its bound in field 3.
	hello := withBytes(nil, 1, withBytes(nil, 3, withNumber(nil, 1, maxStaleness)))
	watching, err := opened.begin(watchMethod, hello, false)
	if err != nil {
		return err
	}
	done := make(chan struct{})
	defer close(done)
	asking := &pings{}
	go asking.send(watching, done)
	err = v.read(watching, asking, ready)
	if asking.isUnanswered() {
		return errUnanswered
	}
	return err
}

var errUnanswered = errors.New("the broker left pings unanswered")

// pings of one stream, numbered from 1 on and answered in order.
type pings struct {
	guard sync.Mutex
	sent  []time.Time
	// The number of the last one that was.
	answered uint64
}

func (p *pings) isUnanswered() bool {
	p.guard.Lock()
	defer p.guard.Unlock()
	return uint64(len(p.sent)) > p.answered && time.Since(p.sent[p.answered]) > pongTimeout
}

func (p *pings) took(nonce []byte) {
	p.guard.Lock()
	defer p.guard.Unlock()
	if len(nonce) == 8 {
		p.answered = binary.BigEndian.Uint64(nonce)
	}
}

func (p *pings) next() []byte {
	p.guard.Lock()
	defer p.guard.Unlock()
	p.sent = append(p.sent, time.Now())
	return binary.BigEndian.AppendUint64(nil, uint64(len(p.sent)))
}

func (p *pings) send(watching *stream, done <-chan struct{}) {
	ticker := time.NewTicker(pingInterval)
	defer ticker.Stop()
	for {
		nonce := p.next()
		if p.isUnanswered() {
			// Whoever reads is told by that.
			watching.connection.close()
			return
		}
		// The end of the stream is told to whoever reads it.
		if watching.send(withBytes(nil, 2, withBytes(nil, 1, nonce))) != nil {
			return
		}
		select {
		case <-done:
			return
		case <-ticker.C:
		}
	}
}

func (v *verifier) read(watching *stream, asking *pings, ready func()) error {
	var hasSnapshot, hasBundle bool
	var cursor string
	for {
		message, err := watching.next()
		if err != nil {
			return err
		}
		at := time.Now()
		field, _, length := protowire.ConsumeTag(message)
		if length < 0 {
			return protowire.ParseError(length)
		}
		content, _ := protowire.ConsumeBytes(message[length:])
		var moved []byte
		switch field {
		case snapshotField:
			last, err := lastOf(content)
			if err != nil {
				return err
			}
			hasSnapshot = hasSnapshot || last.isLast
			moved = last.cursor
		case deniedField:
			if stepID, err := fieldAt(content, 1, 1, 1); err == nil {
				v.onDenied(string(stepID), at)
			}
			moved, _ = fieldAt(content, 2)
		case bundleField:
			hasBundle = true
		case pongField:
			moved, _ = fieldAt(content, 4)
			if nonce, err := fieldAt(content, 1); err == nil {
				asking.took(nonce)
			}
			if hasSnapshot && hasBundle {
				v.became(at, ready)
			}
		}
		if hasSnapshot && len(moved) > 0 && string(moved) != cursor {
			cursor = string(moved)
			if err := watching.send(withBytes(nil, 3, withBytes(nil, 1, cursor))); err != nil {
				return err
			}
		}
		watching.shrink(keptBytes)
	}
}

func (v *verifier) became(at time.Time, ready func()) {
	v.guard.Lock()
	defer v.guard.Unlock()
	v.attempts = 0
	if v.readyAt.IsZero() {
		v.readyAt = at
		ready()
	}
}

type snapshotPart struct {
	isLast bool
	cursor []byte
}

// lastOf passes over the denials of a part.
func lastOf(part []byte) (snapshotPart, error) {
	var seen snapshotPart
	for len(part) > 0 {
		field, kind, length := protowire.ConsumeTag(part)
		if length < 0 {
			return seen, protowire.ParseError(length)
		}
		valued := protowire.ConsumeFieldValue(field, kind, part[length:])
		if valued < 0 {
			return seen, protowire.ParseError(valued)
		}
		switch field {
		case 2:
			seen.isLast = true
		case 3:
			seen.cursor, _ = protowire.ConsumeBytes(part[length:])
		}
		part = part[length+valued:]
	}
	return seen, nil
}
