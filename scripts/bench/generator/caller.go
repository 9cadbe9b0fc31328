package main

import (
	"encoding/gob"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"
)

// order is what the generator tells the process of a caller, and answered is what comes back for each.
type order struct {
	// Of the first order alone.
	Settings *settings
	Number   int
	// Steps that are to be open.
	Hold int
	// Begin to work.
	Run bool
	// Stop, and tell what ended from then to then, in Unix nanoseconds.
	From, To int64
}

type answered struct {
	Failure string
	// One for each act that was done.
	LatencyMicros []int32
	Failures      map[string]int
}

// done is one act that has ended.
type done struct {
	atNanos int64
	micros  int32
	failure string
}

// A caller that is refused, or has lost its connection, does not fill the time with its failures.
const pauseAfterFailure = 10 * time.Millisecond

// runCaller is a process of its own with one caller in it, which obeys until its input ends.
func runCaller() error {
	orders, answers := gob.NewDecoder(os.Stdin), gob.NewEncoder(os.Stdout)
	var caller *client
	var work act
	var isRunning atomic.Bool
	stopped := make(chan []done)
	for {
		var given order
		if err := orders.Decode(&given); errors.Is(err, io.EOF) {
			if caller == nil {
				return nil
			}
			return caller.leave()
		} else if err != nil {
			return err
		}
		var answer answered
		var err error
		if given.Settings != nil {
			if caller, err = newClient(*given.Settings, given.Number); err == nil {
				work, err = caller.work()
			}
		}
		if err == nil {
			err = caller.hold(given.Hold)
		}
		if given.Run {
			isRunning.Store(true)
			go func() { stopped <- repeat(work, &isRunning) }()
		}
		if given.To > 0 {
			isRunning.Store(false)
			answer = within(<-stopped, given.From, given.To)
		}
		if err != nil {
			answer.Failure = err.Error()
		}
		if err := answers.Encode(answer); err != nil {
			return err
		}
	}
}

func repeat(work act, isRunning *atomic.Bool) (all []done) {
	for isRunning.Load() {
		latency, err := work()
		one := done{atNanos: time.Now().UnixNano(), micros: int32(latency.Microseconds())}
		if err != nil {
			one.failure = err.Error()
			time.Sleep(pauseAfterFailure)
		}
		all = append(all, one)
	}
	return all
}

func within(all []done, from, to int64) answered {
	counted := answered{Failures: map[string]int{}}
	for _, one := range all {
		switch {
		case one.atNanos < from || one.atNanos >= to:
		case one.failure != "":
			counted.Failures[one.failure]++
		default:
			counted.LatencyMicros = append(counted.LatencyMicros, one.micros)
		}
	}
	return counted
}
