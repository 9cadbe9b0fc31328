package brokertest

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Issuer is a server on this machine that has the documents of a broker, as the test tells it; what it has not is answered with 404.
type Issuer struct {
	URL    string
	Server *httptest.Server

	mutex  sync.Mutex
	served map[string]http.HandlerFunc
	asked  map[string]int
}

// NewIssuer serves until the test ends; over TLS by a certificate of its own where it is told so.
func NewIssuer(t testing.TB, isTLS bool) *Issuer {
	t.Helper()
	issuer := &Issuer{served: map[string]http.HandlerFunc{}, asked: map[string]int{}}
	issuer.Server = httptest.NewUnstartedServer(http.HandlerFunc(issuer.answer))
	if isTLS {
		issuer.Server.StartTLS()
	} else {
		issuer.Server.Start()
	}
	issuer.URL = issuer.Server.URL
	t.Cleanup(issuer.Stop)
	return issuer
}

// Serve replaces what is at a path, its query included.
func (issuer *Issuer) Serve(path string, handler http.HandlerFunc) {
	issuer.mutex.Lock()
	defer issuer.mutex.Unlock()
	issuer.served[path] = handler
}

// ServeText replaces it with a document.
func (issuer *Issuer) ServeText(path, document string) {
	issuer.Serve(path, func(writer http.ResponseWriter, _ *http.Request) { _, _ = writer.Write([]byte(document)) })
}

// Asked says how often a path was asked for.
func (issuer *Issuer) Asked(path string) int {
	issuer.mutex.Lock()
	defer issuer.mutex.Unlock()
	return issuer.asked[path]
}

// Stop breaks every connection, and listens no more.
func (issuer *Issuer) Stop() {
	_ = issuer.Server.Listener.Close()
	issuer.Server.CloseClientConnections()
}

func (issuer *Issuer) answer(writer http.ResponseWriter, request *http.Request) {
	path := request.URL.RequestURI()
	issuer.mutex.Lock()
	issuer.asked[path]++
	handler := issuer.served[path]
	issuer.mutex.Unlock()
	if handler == nil {
		http.NotFound(writer, request)
		return
	}
	handler(writer, request)
}
