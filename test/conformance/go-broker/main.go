// A runtime written with go-spiffe: it gets its own X.509-SVID over the Workload API, connects to the broker endpoint with it, and
// subscribes to a step's SVID by the published Broker API. Prints one JSON line for each thing that happens.
package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"os"
	"strconv"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/exp/proto/spiffe/broker"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/anypb"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		say(map[string]any{"event": "failed", "error": err.Error()})
		os.Exit(1)
	}
}

// run takes the address of the broker endpoint, the hint of its own SVID, the SPIFFE ID of the server, an audience, and a step's
// run, name and attempt.
func run(ctx context.Context, args []string) error {
	target, hint, server, audience := args[0], args[1], args[2], args[3]
	source, err := workloadapi.NewX509Source(ctx, workloadapi.WithDefaultX509SVIDPicker(pickBy(hint)))
	if err != nil {
		return err
	}
	defer source.Close()
	id, err := spiffeid.FromString(server)
	if err != nil {
		return err
	}
	secured := credentials.NewTLS(tlsconfig.MTLSClientConfig(source, source, tlsconfig.AuthorizeID(id)))
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(secured))
	if err != nil {
		return err
	}
	defer conn.Close()
	api := broker.NewAPIClient(conn)
	attempt, err := strconv.ParseUint(args[6], 10, 32)
	if err != nil {
		return err
	}
	reference := &broker.WorkloadReference{Reference: stepReference(args[4], args[5], attempt)}
	ctx = metadata.AppendToOutgoingContext(ctx, "broker.spiffe.io", "true")

	tokens, err := api.FetchJWTSVID(ctx, &broker.FetchJWTSVIDRequest{Reference: reference, Audience: []string{audience}})
	if err != nil {
		return err
	}
	say(map[string]any{"event": "jwt", "spiffeId": tokens.Svids[0].SpiffeId, "token": tokens.Svids[0].Svid})

	stream, err := api.SubscribeToX509SVID(ctx, &broker.SubscribeToX509SVIDRequest{Reference: reference})
	if err != nil {
		return err
	}
	for {
		response, err := stream.Recv()
		if err != nil {
			say(endOf(err))
			return nil
		}
		for _, svid := range response.Svids {
			verified, err := verify(svid)
			if err != nil {
				return err
			}
			say(map[string]any{"event": "x509", "spiffeId": verified.String(), "hint": svid.Hint})
		}
	}
}

func pickBy(hint string) func([]*x509svid.SVID) *x509svid.SVID {
	return func(svids []*x509svid.SVID) *x509svid.SVID {
		for _, svid := range svids {
			if svid.Hint == hint {
				return svid
			}
		}
		return svids[0]
	}
}

// stepReference is stint.v1.WorkflowStepReference {1 run_id, 2 step, 3 attempt}.
func stepReference(runID, step string, attempt uint64) *anypb.Any {
	var value []byte
	value = protowire.AppendTag(value, 1, protowire.BytesType)
	value = protowire.AppendString(value, runID)
	value = protowire.AppendTag(value, 2, protowire.BytesType)
	value = protowire.AppendString(value, step)
	value = protowire.AppendTag(value, 3, protowire.VarintType)
	value = protowire.AppendVarint(value, attempt)
	return &anypb.Any{TypeUrl: "type.googleapis.com/stint.v1.WorkflowStepReference", Value: value}
}

// verify holds key, chain and bundle to one another as go-spiffe does for any peer.
func verify(svid *broker.X509SVID) (spiffeid.ID, error) {
	parsed, err := x509svid.ParseRaw(svid.X509Svid, svid.X509SvidKey)
	if err != nil {
		return spiffeid.ID{}, err
	}
	roots, err := x509.ParseCertificates(svid.Bundle)
	if err != nil {
		return spiffeid.ID{}, err
	}
	bundle := x509bundle.FromX509Authorities(parsed.ID.TrustDomain(), roots)
	id, _, err := x509svid.Verify(parsed.Certificates, bundle)
	return id, err
}

func endOf(err error) map[string]any {
	end := map[string]any{"event": "end", "code": status.Code(err).String()}
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			end["reason"], end["domain"] = info.Reason, info.Domain
		}
	}
	return end
}

func say(event map[string]any) {
	_ = json.NewEncoder(os.Stdout).Encode(event)
}
