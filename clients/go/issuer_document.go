package stint

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	// More than a small document takes; a request that waits for it does not wait longer.
	fetchTimeout = 3 * time.Second
	// Of an answer; as many servers and clients have it.
	headBytesMax = 64 * 1024
)

// issuerPlace is where an issuer's documents are: https, or http to this machine; without a trailing slash.
type issuerPlace struct {
	url    string
	client *http.Client
	clock  Clock
}

// placeOf takes the certificates of those who may vouch for the server; nil: those that the machine has. client, where it is there, shows
// who asks.
func placeOf(address string, roots *x509.CertPool, client func() (*tls.Certificate, error), clock Clock) issuerPlace {
	settings := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if client != nil {
		settings.MinVersion = tls.VersionTLS13
		settings.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return client() }
	}
	transport := &http.Transport{
		TLSClientConfig: settings,
		// No connection is kept, and no proxy is asked.
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: headBytesMax,
	}
	// A redirect could lead to an address that only this machine can reach.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return issuerPlace{url: address, client: &http.Client{Transport: transport, CheckRedirect: stay}, clock: clock}
}

// asked is what an issuer is asked.
type asked struct {
	// With its first slash.
	path     string
	accept   string
	bytesMax int64
	// 0: fetchTimeout.
	timeout time.Duration
	// JSON to be posted; nil: the path is got.
	body []byte
}

type issuerAnswer struct {
	status int
	body   []byte
	// When it was made by the issuer's clock, rounded down; zero where it does not say.
	date time.Time
}

// unavailable is why a document could not be had. Its message is in words of ours alone.
type unavailable struct {
	message string
	// Of a stream that does not tell of every end, or did not meanwhile.
	isOfStream bool
}

func (failed *unavailable) Error() string { return failed.message }

func unavailablef(format string, values ...any) *unavailable {
	return &unavailable{message: fmt.Sprintf(format, values...)}
}

// fetch gives a document of an issuer.
func (place issuerPlace) fetch(ctx context.Context, want asked) ([]byte, *unavailable) {
	answer, failed := place.ask(ctx, want)
	if failed != nil {
		return nil, failed
	}
	if answer.status != http.StatusOK {
		return nil, unavailablef("%s was answered %d", want.path, answer.status)
	}
	return answer.body, nil
}

// ask asks an issuer, on a connection of its own.
func (place issuerPlace) ask(ctx context.Context, want asked) (*issuerAnswer, *unavailable) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	deadline := place.clock.Monotonic() + max(want.timeout, fetchTimeout)
	go func() {
		place.clock.SleepUntil(ctx, deadline)
		cancel()
	}()
	method, body := http.MethodGet, io.Reader(nil)
	if want.body != nil {
		method, body = http.MethodPost, bytes.NewReader(want.body)
	}
	request, err := http.NewRequestWithContext(ctx, method, place.url+want.path, body)
	if err != nil {
		return nil, unavailablef("%s can't be asked for", want.path)
	}
	request.Header.Set("Accept", want.accept)
	request.Header.Set("Accept-Encoding", "identity")
	// What a cache in between has would be too old.
	request.Header.Set("Cache-Control", "no-cache")
	if want.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := place.client.Do(request)
	if err != nil {
		return nil, unavailablef("%s can't be had: %s", want.path, whyOf(err))
	}
	defer func() { _ = response.Body.Close() }()
	if encoding := response.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return nil, unavailablef("%s came compressed", want.path)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, want.bytesMax+1))
	if err != nil {
		return nil, unavailablef("%s broke off", want.path)
	}
	if int64(len(data)) > want.bytesMax {
		return nil, unavailablef("%s has more than %d bytes", want.path, want.bytesMax)
	}
	date, _ := http.ParseTime(response.Header.Get("Date"))
	return &issuerAnswer{status: response.StatusCode, body: data, date: date}, nil
}

// whyOf tells errors apart; their texts may hold what the other side wrote.
func whyOf(err error) string {
	var certificate *tls.CertificateVerificationError
	var wrong *url.Error
	switch {
	case errors.As(err, &certificate):
		return "nobody who is trusted vouches for the server"
	case errors.Is(err, context.Canceled), errors.As(err, &wrong) && wrong.Timeout():
		return "it took too long"
	default:
		return "the server does not answer"
	}
}
