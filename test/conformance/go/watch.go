package main

import (
	"context"

	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

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
