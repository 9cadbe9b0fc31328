package main

import (
	"fmt"
	"slices"
	"time"
)

// arrival is one message of a stream of SVIDs: what it has for which steps.
type arrival struct {
	hints []string
	at    time.Time
	err   error
}

// delivering has a stream of X.509-SVIDs open, and opens steps one after the other: waited for is the SVID of each on that stream.
func (c *client) delivering() (act, error) {
	// Whoever executes no step has no stream.
	if err := c.hold(1); err != nil {
		return nil, err
	}
	apart, err := connect(c.Socket)
	if err != nil {
		return nil, err
	}
	begun, err := apart.begin(fetchX509Method, nil, true)
	if err != nil {
		return nil, err
	}
	arrivals := make(chan arrival, 64)
	go readSvids(begun, arrivals)
	if first := <-arrivals; first.err != nil {
		return nil, first.err
	}
	return func() (time.Duration, error) {
		started := time.Now()
		opened, err := c.open("")
		if err != nil {
			return 0, err
		}
		// As the broker names the first attempt of a step.
		hint := fmt.Sprintf("%s/%s/1", c.Run, c.stepName())
		seen, err := awaitSvid(arrivals, hint, true)
		if err != nil {
			return 0, err
		}
		if err := c.close(opened); err != nil {
			return 0, err
		}
		// The message without it is not the next step's.
		_, err = awaitSvid(arrivals, hint, false)
		return seen.Sub(started), err
	}, nil
}

func awaitSvid(arrivals <-chan arrival, hint string, isThere bool) (time.Time, error) {
	for one := range arrivals {
		if one.err != nil {
			return time.Time{}, one.err
		}
		if slices.Contains(one.hints, hint) == isThere {
			return one.at, nil
		}
	}
	return time.Time{}, fmt.Errorf("the stream of SVIDs has ended")
}

func readSvids(svids *stream, arrivals chan<- arrival) {
	defer close(arrivals)
	for {
		message, err := svids.next()
		seen := arrival{at: time.Now(), err: err}
		if err == nil {
			seen.hints, seen.err = hintsOf(message)
		}
		arrivals <- seen
		if seen.err != nil {
			return
		}
	}
}

// hintsOf gives the hint of each SVID of an X509SVIDResponse.
func hintsOf(message []byte) (hints []string, err error) {
	svids, err := fieldsOf(message, 1)
	for _, svid := range svids {
		hint, err := fieldAt(svid, 5)
		if err != nil {
			return nil, err
		}
		hints = append(hints, string(hint))
	}
	return hints, err
}
