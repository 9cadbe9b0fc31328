package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

// watchersAsked is one line of input: one of both.
type watchersAsked struct {
	// So many verifiers that connect in one moment; those before them go.
	Join int `json:"join"`
	// So many steps, closed one after the other.
	Closes int `json:"closes"`
}

type joined struct {
	Ready int `json:"ready"`
	// Until the last one was ready, or until nobody waited any more.
	WallSeconds float64 `json:"wallSeconds"`
	P50Ms       float64 `json:"p50Ms"`
	P99Ms       float64 `json:"p99Ms"`
	// Attempts to connect or to watch, which are made again as verifiers do.
	Failures   map[string]int `json:"failures"`
	CPUSeconds cpuUsed        `json:"cpuSeconds"`
}

type told struct {
	Closes int `json:"closes"`
	// Of all verifiers and closes.
	P50Ms       float64 `json:"p50Ms"`
	P99Ms       float64 `json:"p99Ms"`
	MaxMs       float64 `json:"maxMs"`
	WallSeconds float64 `json:"wallSeconds"`
	CPUSeconds  cpuUsed `json:"cpuSeconds"`
}

// Nobody waits longer than this for verifiers, or for them to be told.
const patience = 30 * time.Second

type watchers struct {
	shared    settings
	brokerPid int
	all       []*verifier
	closer    *client
	hearing   chan heard
}

type heard struct {
	stepID string
	at     time.Time
}

// runWatchers has all verifiers in one process, each with a connection of its own. The same process opens and closes the steps.
func runWatchers(shared settings, brokerPid int) error {
	closer, err := newClient(shared, 0)
	if err != nil {
		return err
	}
	together := &watchers{shared: shared, brokerPid: brokerPid, closer: closer, hearing: make(chan heard, 1<<16)}
	lines := bufio.NewScanner(os.Stdin)
	fmt.Println("ready")
	for lines.Scan() {
		var wanted watchersAsked
		if err := json.Unmarshal(lines.Bytes(), &wanted); err != nil {
			return err
		}
		var measured any
		if wanted.Join > 0 {
			measured = together.join(wanted.Join)
		} else if measured, err = together.close(wanted.Closes); err != nil {
			return err
		}
		line, err := json.Marshal(measured)
		if err != nil {
			return err
		}
		fmt.Println(string(line))
	}
	together.leave()
	return lines.Err()
}

func (w *watchers) leave() {
	for _, one := range w.all {
		one.stop()
	}
	w.all = nil
}

func (w *watchers) join(count int) joined {
	w.leave()
	for range count {
		w.all = append(w.all, &verifier{socket: w.shared.Socket, onDenied: w.heard, failures: map[string]int{}})
	}
	var waiting sync.WaitGroup
	waiting.Add(count)
	cpu, from := startCPUCount(w.brokerPid, nil), time.Now()
	for _, one := range w.all {
		go one.follow(waiting.Done)
	}
	allReady := make(chan struct{})
	go func() { waiting.Wait(); close(allReady) }()
	select {
	case <-allReady:
	case <-time.After(patience):
	}
	measured := joined{WallSeconds: time.Since(from).Seconds(), CPUSeconds: cpu(), Failures: map[string]int{}}
	var micros []int32
	for _, one := range w.all {
		one.guard.Lock()
		if !one.readyAt.IsZero() {
			micros = append(micros, int32(one.readyAt.Sub(from).Microseconds()))
		}
		for failure, count := range one.failures {
			measured.Failures[failure] += count
		}
		one.guard.Unlock()
	}
	slices.Sort(micros)
	measured.Ready, measured.P50Ms, measured.P99Ms = len(micros), percentileMs(micros, 0.5), percentileMs(micros, 0.99)
	return measured
}

func (w *watchers) heard(stepID string, at time.Time) {
	select {
	case w.hearing <- heard{stepID, at}:
	default:
		// Nobody asks: what others close.
	}
}

// close measures from when a close was asked for until each verifier has been told.
func (w *watchers) close(closes int) (told, error) {
	cpu, began := startCPUCount(w.brokerPid, nil), time.Now()
	var micros []int32
	for range closes {
		opened, err := w.closer.open(w.shared.Audience)
		if err != nil {
			return told{}, err
		}
		for len(w.hearing) > 0 {
			<-w.hearing
		}
		from := time.Now()
		if err := w.closer.close(opened); err != nil {
			return told{}, err
		}
		tooLate := time.After(patience)
		for left := len(w.all); left > 0; {
			select {
			case one := <-w.hearing:
				if one.stepID == opened.id {
					micros = append(micros, int32(one.at.Sub(from).Microseconds()))
					left--
				}
			case <-tooLate:
				return told{}, fmt.Errorf("%d verifiers of %d were not told of a close", left, len(w.all))
			}
		}
	}
	slices.Sort(micros)
	return told{
		Closes: closes,
		P50Ms:  percentileMs(micros, 0.5), P99Ms: percentileMs(micros, 0.99), MaxMs: percentileMs(micros, 1),
		WallSeconds: time.Since(began).Seconds(),
		CPUSeconds:  cpu(),
	}, nil
}
