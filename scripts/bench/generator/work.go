package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// client is one process that uses the broker: the opener and the executor of its steps.
type client struct {
	settings
	// Tells this process' steps from those of others.
	number     int
	connection *connection
	opened     int
	steps      []step
	turn       int
}

// settings are what all clients of a generator have in common.
type settings struct {
	Socket, Run, Kind, Audience string
	// A message stint.v1.Grant.
	Grant []byte
}

const (
	triesMax          = 100
	pauseBetweenTries = 100 * time.Millisecond
)

// act does one piece of work, and gives how long it was waited for.
type act func() (time.Duration, error)

func newClient(shared settings, number int) (*client, error) {
	made, err := connect(shared.Socket)
	if err != nil {
		return nil, err
	}
	return &client{settings: shared, number: number, connection: made}, nil
}

// stepName is that of the step that was opened last.
func (c *client) stepName() string { return fmt.Sprintf("c%d-%d", c.number, c.opened) }

func (c *client) open(audience string) (step, error) {
	c.opened++
	answer, err := c.connection.call(openMethod, openRequest(c.Run, c.stepName(), c.Grant, audience))
	if err != nil {
		return step{}, fmt.Errorf("Open: %w", err)
	}
	return stepOf(answer)
}

func (c *client) close(one step) error {
	if _, err := c.connection.call(closeMethod, closeRequest(one.id)); err != nil {
		return fmt.Errorf("Close: %w", err)
	}
	return nil
}

// hold opens steps until there are so many. Nothing is measured meanwhile, so what passes is waited for.
func (c *client) hold(count int) error {
	for tries := 0; len(c.steps) < count; {
		opened, err := c.open("")
		if refused := new(refusal); errors.As(err, &refused) && refused.isPassing() && tries < triesMax {
			tries++
			time.Sleep(pauseBetweenTries)
			continue
		}
		if err != nil {
			return err
		}
		c.steps = append(c.steps, opened)
	}
	return nil
}

// leave closes what is open, or the next load would have this one's steps to look at.
func (c *client) leave() error {
	for _, one := range c.steps {
		if err := c.close(one); err != nil {
			return err
		}
	}
	c.connection.close()
	return nil
}

func (c *client) nextStep() step {
	c.turn++
	return c.steps[c.turn%len(c.steps)]
}

// work gives what the client does again and again.
func (c *client) work() (act, error) {
	switch c.Kind {
	case "jwt":
		return c.calling(issueJwtMethod, func(one step) []byte { return issueJwtRequest(one.id, c.Audience) }), nil
	case "spiffe-jwt":
		return c.calling(fetchJwtMethod, func(one step) []byte { return fetchJwtRequest(one.spiffeID, c.Audience) }), nil
	case "x509":
		// One key for all: making keys is the caller's work, and the broker checks each request's proof all the same.
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
		if err != nil {
			return nil, err
		}
		return c.calling(issueX509Method, func(one step) []byte { return issueX509Request(one.id, csr) }), nil
	case "open":
		return c.openAndClose, nil
	case "delivery":
		return c.delivering()
	}
	return nil, fmt.Errorf("no such kind of load: %s", c.Kind)
}

// calling asks for its steps in turn, of which each is issued no more than so many credentials a second.
func (c *client) calling(method string, request func(step) []byte) act {
	return func() (time.Duration, error) {
		message := request(c.nextStep())
		started := time.Now()
		_, err := c.connection.call(method, message)
		return time.Since(started), err
	}
}

func (c *client) openAndClose() (time.Duration, error) {
	started := time.Now()
	opened, err := c.open(c.Audience)
	if err == nil {
		err = c.close(opened)
	}
	return time.Since(started), err
}
