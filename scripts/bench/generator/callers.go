package main

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// callers are the processes of the callers, as seen from the generator, which itself asks the broker for nothing: a process that opens
// steps may not have descendants that open some.
type callers struct {
	shared settings
	all    []*caller
}

type caller struct {
	process *exec.Cmd
	input   io.WriteCloser
	orders  *gob.Encoder
	answers *gob.Decoder
}

// grow starts processes until there are so many; all of them begin at once.
func (c *callers) grow(count int) error {
	first := len(c.all)
	for number := first; number < count; number++ {
		started, err := startCaller()
		if err != nil {
			return err
		}
		c.all = append(c.all, started)
	}
	for number, one := range c.all[first:] {
		if err := one.orders.Encode(order{Settings: &c.shared, Number: first + number}); err != nil {
			return err
		}
	}
	_, err := answersOf(c.all[first:])
	return err
}

func startCaller() (*caller, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	process := exec.Command(program, "caller")
	process.Stderr = os.Stderr
	// It does one thing at a time, and has little to collect.
	process.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=400")
	input, err := process.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &caller{process, input, gob.NewEncoder(input), gob.NewDecoder(output)}, process.Start()
}

// each gives one order to all of them, and waits until all have obeyed.
func each(all []*caller, given order) ([]answered, error) {
	for _, one := range all {
		if err := one.orders.Encode(given); err != nil {
			return nil, err
		}
	}
	return answersOf(all)
}

func answersOf(all []*caller) (answers []answered, err error) {
	for _, one := range all {
		var answer answered
		if err := one.answers.Decode(&answer); err != nil {
			return nil, fmt.Errorf("a caller ended: %w", err)
		}
		if answer.Failure != "" {
			return nil, errors.New(answer.Failure)
		}
		answers = append(answers, answer)
	}
	return answers, nil
}

// end waits until all have closed their steps.
func (c *callers) end() {
	for _, one := range c.all {
		_ = one.input.Close()
	}
	for _, one := range c.all {
		_ = one.process.Wait()
	}
}
