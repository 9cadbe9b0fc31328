package main

import (
	"context"
	"time"

	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

// #region often
// often asks again five times a second. Left to itself go-spiffe waits a second, then two, and at last half a minute:
// longer than many steps are open.
type often struct{}

func (often) NewBackoff() workloadapi.Backoff { return often{} }
func (often) Next() time.Duration             { return 200 * time.Millisecond }
func (often) Reset()                          {}

func newClient(ctx context.Context) (*workloadapi.Client, error) {
	return workloadapi.New(ctx, workloadapi.WithBackoffStrategy(often{}))
}

// #endregion
