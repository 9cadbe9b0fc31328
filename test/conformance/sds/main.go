// Command sds is a client of secret discovery, made from the API that Envoy publishes. It is told what to do on standard input, one
// JSON object a line, and answers in kind; what it is sent on its streams it says as lines with an "event".
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"sync"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	secret "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

const secretType = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"

// An order is a line of standard input.
type order struct {
	ID      int      `json:"id"`
	Command string   `json:"command"`
	Stream  string   `json:"stream"`
	Names   []string `json:"names"`
	Type    string   `json:"type"`
	// Minor is the version of Envoy to be, 1.Minor; none without it.
	Minor uint32 `json:"minor"`
	// Refuse has the next answers refused, as Envoy does with what it can't use.
	Refuse bool `json:"refuse"`
	// Config is a DownstreamTlsContext, as Envoy's configuration has it.
	Config json.RawMessage `json:"config"`
	// Nonce overrides that of the newest answer.
	Nonce string `json:"nonce"`
}

type stream struct {
	secret.SecretDiscoveryService_StreamSecretsClient
	mutex   sync.Mutex
	names   []string
	refuse  bool
	version string
	nonce   string
}

type client struct {
	sds     secret.SecretDiscoveryServiceClient
	say     func(line map[string]any)
	streams map[string]*stream
}

func main() {
	var mutex sync.Mutex
	encoder := json.NewEncoder(os.Stdout)
	say := func(line map[string]any) {
		mutex.Lock()
		defer mutex.Unlock()
		if err := encoder.Encode(line); err != nil {
			os.Exit(1)
		}
	}
	// No metadata, as Envoy sends none.
	conn, err := grpc.NewClient(os.Getenv("SPIFFE_ENDPOINT_SOCKET"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		panic(err)
	}
	c := &client{sds: secret.NewSecretDiscoveryServiceClient(conn), say: say, streams: map[string]*stream{}}
	say(map[string]any{"event": "ready"})

	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var o order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			panic(err)
		}
		result, err := c.follow(context.Background(), o)
		if err != nil {
			say(map[string]any{"id": o.ID, "error": err.Error(), "code": status.Code(err).String()})
			continue
		}
		say(map[string]any{"id": o.ID, "result": result})
	}
}

func (c *client) follow(ctx context.Context, o order) (any, error) {
	switch o.Command {
	case "fetch":
		answer, err := c.sds.FetchSecrets(ctx, requestOf(o))
		if err != nil {
			return nil, err
		}
		return shown(answer.Resources)
	case "subscribe":
		return "subscribed", c.subscribe(ctx, o)
	case "ask":
		return "asked", c.streams[o.Stream].ask(o)
	case "finish":
		return "finished", c.streams[o.Stream].CloseSend()
	case "names":
		return namesIn(o.Config)
	case "delta":
		delta, err := c.sds.DeltaSecrets(ctx)
		if err != nil {
			return nil, err
		}
		return delta.Recv()
	default:
		return nil, errors.New("no such command: " + o.Command)
	}
}

func requestOf(o order) *discovery.DiscoveryRequest {
	request := &discovery.DiscoveryRequest{ResourceNames: o.Names, TypeUrl: secretType}
	if o.Type != "" {
		request.TypeUrl = o.Type
	}
	if o.Minor > 0 {
		version := &core.BuildVersion{Version: &typev3.SemanticVersion{MajorNumber: 1, MinorNumber: o.Minor}}
		request.Node = &core.Node{
			Id:                   "envoy",
			UserAgentName:        "envoy",
			UserAgentVersionType: &core.Node_UserAgentBuildVersion{UserAgentBuildVersion: version},
		}
	}
	return request
}

// subscribe opens a stream, and acknowledges or refuses each answer as Envoy does.
func (c *client) subscribe(ctx context.Context, o order) error {
	opened, err := c.sds.StreamSecrets(ctx)
	if err != nil {
		return err
	}
	s := &stream{SecretDiscoveryService_StreamSecretsClient: opened, names: o.Names, refuse: o.Refuse}
	c.streams[o.Stream] = s
	go func() {
		for {
			answer, err := s.Recv()
			if err != nil {
				c.say(map[string]any{"event": "end-" + o.Stream, "code": status.Code(err).String(), "says": err.Error()})
				return
			}
			secrets, err := shown(answer.Resources)
			if err != nil {
				panic(err)
			}
			c.say(map[string]any{
				"event": "secrets-" + o.Stream, "version": answer.VersionInfo, "nonce": answer.Nonce, "type": answer.TypeUrl, "secrets": secrets,
			})
			if err := s.answer(answer); err != nil {
				return
			}
		}
	}()
	return s.Send(requestOf(o))
}

func (s *stream) answer(to *discovery.DiscoveryResponse) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.nonce = to.Nonce
	request := &discovery.DiscoveryRequest{ResourceNames: s.names, TypeUrl: secretType, ResponseNonce: to.Nonce}
	if s.refuse {
		request.ErrorDetail = &rpcstatus.Status{Code: 3, Message: "the secret's words are the client's"}
	} else {
		s.version = to.VersionInfo
	}
	request.VersionInfo = s.version
	return s.Send(request)
}

// ask asks for other secrets on the same stream.
func (s *stream) ask(o order) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	request := &discovery.DiscoveryRequest{
		ResourceNames: o.Names, TypeUrl: secretType, ResponseNonce: s.nonce, VersionInfo: s.version,
	}
	if o.Nonce != "" {
		request.ResponseNonce = o.Nonce
	} else {
		s.names = o.Names
	}
	return s.Send(request)
}
