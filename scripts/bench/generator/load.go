package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"
)

// asked is one line of input.
type asked struct {
	Callers int `json:"callers"`
	// 0: until the next line of input.
	Seconds       float64 `json:"seconds"`
	WarmUpSeconds float64 `json:"warmUpSeconds"`
}

// loaded is the line of output that answers it.
type loaded struct {
	Count       int            `json:"count"`
	WallSeconds float64        `json:"wallSeconds"`
	P50Ms       float64        `json:"p50Ms"`
	P99Ms       float64        `json:"p99Ms"`
	MaxMs       float64        `json:"maxMs"`
	Failures    map[string]int `json:"failures"`
	CPUSeconds  cpuUsed        `json:"cpuSeconds"`
}

// The callers of a load have this many steps together, and each these at least: a step is issued 50 credentials a second.
const (
	stepsTogether   = 128
	stepsOfOneLeast = 4
	// One process executes no more at once.
	stepsOfOneMost = 64
)

// stepsHeld gives how many steps each caller has open while it works.
func stepsHeld(kind string, callers int) int {
	switch kind {
	case "open", "delivery":
		return 0
	}
	return min(max(stepsTogether/callers, stepsOfOneLeast), stepsOfOneMost)
}

// runLoad measures each time that a line of input asks for it. Each caller is a process with a connection of its own; a process
// that was started for one measurement stays for the next, without anything to do.
func runLoad(shared settings, brokerPid int) error {
	lines := bufio.NewScanner(os.Stdin)
	callers := &callers{shared: shared}
	defer callers.end()
	// Whoever asks for something that there is not, hears of it before the first measurement.
	if err := callers.grow(1); err != nil {
		return err
	}
	fmt.Println("ready")
	for lines.Scan() {
		var wanted asked
		if err := json.Unmarshal(lines.Bytes(), &wanted); err != nil {
			return err
		}
		measured, err := callers.measure(wanted, brokerPid, func() {
			fmt.Println("begun")
			lines.Scan()
		})
		if err != nil {
			return err
		}
		line, err := json.Marshal(measured)
		if err != nil {
			return err
		}
		fmt.Println(string(line))
	}
	return lines.Err()
}

func (c *callers) measure(wanted asked, brokerPid int, untilAsked func()) (loaded, error) {
	if err := c.grow(wanted.Callers); err != nil {
		return loaded{}, err
	}
	working := c.all[:wanted.Callers]
	if _, err := each(working, order{Hold: stepsHeld(c.shared.Kind, wanted.Callers)}); err != nil {
		return loaded{}, err
	}
	if _, err := each(working, order{Run: true}); err != nil {
		return loaded{}, err
	}
	time.Sleep(duration(wanted.WarmUpSeconds))
	cpu, from := startCPUCount(brokerPid, c.all), time.Now()
	if wanted.Seconds > 0 {
		time.Sleep(duration(wanted.Seconds))
	} else {
		untilAsked()
	}
	to, used := time.Now(), cpu()
	answers, err := each(working, order{From: from.UnixNano(), To: to.UnixNano()})
	if err != nil {
		return loaded{}, err
	}
	measured := loaded{WallSeconds: to.Sub(from).Seconds(), CPUSeconds: used, Failures: map[string]int{}}
	var micros []int32
	for _, answer := range answers {
		micros = append(micros, answer.LatencyMicros...)
		for failure, count := range answer.Failures {
			measured.Failures[failure] += count
		}
	}
	if wanted.Seconds > 0 && len(micros) == 0 && len(measured.Failures) == 0 {
		// A rate of nothing can't be compared: on a machine that is busy, one caller may have to wait longer.
		return c.measure(wanted, brokerPid, untilAsked)
	}
	slices.Sort(micros)
	measured.Count = len(micros)
	measured.P50Ms, measured.P99Ms, measured.MaxMs = percentileMs(micros, 0.5), percentileMs(micros, 0.99), percentileMs(micros, 1)
	return measured, nil
}

func duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

// percentileMs gives the value below which this share of the sorted values lies; of none, 0.
func percentileMs(sorted []int32, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[min(len(sorted)-1, int(float64(len(sorted))*share))]) / 1_000
}
