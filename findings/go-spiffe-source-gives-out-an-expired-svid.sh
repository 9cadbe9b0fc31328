#!/usr/bin/env bash
# An X509Source of go-spiffe is told by the Workload API which SVIDs the process has. When the Workload API says that there are none any more
# (PERMISSION_DENIED, "no identity issued", which is how the standard has it tell), the source asks again, and `GetX509SVID` goes on giving the
# last SVID, without an error: also once the certificate has expired, for as long as the process lives. The TLS configurations made of a
# source show that certificate to peers, who refuse it, so the failure is seen at the other end. Whoever wants to know has to look at
# `svid.Certificates[0].NotAfter`, or to watch the Workload API with a watcher of one's own, whose error callback is told.
#
# Seen: go-spiffe v2.9.0 (Go module proxy), Go 1.26. SPIFFE Workload API, section 6.1.
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

cat > main.go <<'GO'
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// One SVID that lives two seconds, once; then nothing any more.
type api struct {
	workload.UnimplementedSpiffeWorkloadAPIServer
	asked chan int
	times int
}

func (a *api) FetchX509SVID(_ *workload.X509SVIDRequest, stream workload.SpiffeWorkloadAPI_FetchX509SVIDServer) error {
	a.times++
	select {
	case a.asked <- a.times:
	default:
	}
	if a.times == 1 {
		if err := stream.Send(svid()); err != nil {
			return err
		}
	}
	return status.Error(codes.PermissionDenied, "no identity issued")
}

func svid() *workload.X509SVIDResponse {
	now := time.Now()
	caKey := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: now.Add(-time.Minute), NotAfter: now.Add(time.Hour), URIs: []*url.URL{must(url.Parse("spiffe://example.org"))},
	}
	caDER := must(x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey))
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: now.Add(-time.Minute), NotAfter: now.Add(2 * time.Second), URIs: []*url.URL{must(url.Parse("spiffe://example.org/w"))},
	}
	leafDER := must(x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey))
	one := &workload.X509SVID{
		SpiffeId: "spiffe://example.org/w", X509Svid: leafDER, X509SvidKey: must(x509.MarshalPKCS8PrivateKey(key)), Bundle: caDER,
	}
	return &workload.X509SVIDResponse{Svids: []*workload.X509SVID{one}}
}

func main() {
	server := &api{asked: make(chan int, 1)}
	listener := must(net.Listen("unix", "s.sock"))
	served := grpc.NewServer()
	workload.RegisterSpiffeWorkloadAPIServer(served, server)
	go served.Serve(listener)

	ctx := context.Background()
	source := must(workloadapi.NewX509Source(ctx, workloadapi.WithClientOptions(workloadapi.WithAddr("unix:"+must(os.Getwd())+"/s.sock"))))
	defer source.Close()
	first := must(source.GetX509SVID())
	fmt.Println("at first:", first.ID, "expired:", expired(first.Certificates[0]))
	for !expired(first.Certificates[0]) || <-server.asked < 3 {
		time.Sleep(100 * time.Millisecond)
	}
	later, err := source.GetX509SVID()
	fmt.Println("asked again and refused, later:", later.ID, "expired:", expired(later.Certificates[0]), "error:", err)
}

func expired(certificate *x509.Certificate) bool { return time.Now().After(certificate.NotAfter) }
GO
go mod init seen 2> /dev/null
go get github.com/spiffe/go-spiffe/v2@v2.9.0 2> /dev/null
go mod tidy 2> /dev/null
go run . | tee seen.txt

diff seen.txt - <<'TXT'
at first: spiffe://example.org/w expired: false
asked again and refused, later: spiffe://example.org/w expired: true error: <nil>
TXT
