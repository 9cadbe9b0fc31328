package main

import (
	"context"

	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

// keep keeps a source for the step of a hint.
func (w *workload) keep(ctx context.Context, o order) (any, error) {
	source, err := sourceOf(ctx, w.client, o.Hint)
	if err != nil {
		return nil, err
	}
	w.kept = source
	return w.own()
}

// own is what the kept source gives now.
func (w *workload) own() (any, error) {
	one, err := w.kept.GetX509SVID()
	if err != nil {
		return nil, err
	}
	return x509Of(one, one.ID), nil
}

type watcher struct {
	say func(line map[string]any)
}

// watchX509 says what it is told of: every X.509 context, and every end of the stream. go-spiffe comes back by itself.
func (w *workload) watchX509(ctx context.Context) {
	_ = w.client.WatchX509Context(ctx, watcher{w.say})
}

func (w watcher) OnX509ContextUpdate(update *workloadapi.X509Context) {
	svids := []svid{}
	for _, one := range update.SVIDs {
		svids = append(svids, x509Of(one, one.ID))
	}
	w.say(map[string]any{"event": "x509", "svids": svids})
}

func (w watcher) OnX509ContextWatchError(err error) {
	w.say(map[string]any{"event": "x509-error", "code": codeOf(err)})
}
