import { EventEmitter } from "node:events";
import type { handleBidiStreamingCall, ServerDuplexStream } from "@grpc/grpc-js";
import { BrokerError, invalidField } from "../../domain/errors.ts";
import { SecretDiscoveryService } from "../../gen/envoy/service/secret/v3/sds_pb.js";
import { SpiffeWorkloadAPI } from "../../gen/spiffe/workload/workload_pb.js";
import { type NodesStreamSvidsRequest, SvidStreamKind } from "../../gen/stint/v1/nodes_pb.js";
import type { KeyPair, KeyPairs } from "../../ports/key-pairs.ts";
import { checkCsr } from "../../verify/csr-proof.ts";
import { methodDefinitionOf, type Received, receivedMessage } from "../../wire/service-definition.ts";
import { serviceErrorOf } from "../../wire/service-error.ts";
import type { Call, Endpoint } from "./call.ts";
import { secretDiscoveryHandlers } from "./secret-discovery.ts";
import { type WorkloadApiPorts, workloadApiHandlers } from "./workload-api.ts";

export type NodeStreamPorts = { readonly workloadApi: Omit<WorkloadApiPorts, "keyPairs"> };

type Outer = ServerDuplexStream<Received<NodesStreamSvidsRequest>, unknown> & Call;

/** What is served within the stream: the same handlers as on the workload socket, with keys that come over the stream. */
const STREAMS = {
  [SvidStreamKind.X509]: SpiffeWorkloadAPI.method.fetchX509SVID,
  [SvidStreamKind.SECRETS]: SecretDiscoveryService.method.streamSecrets,
  [SvidStreamKind.WIT]: SpiffeWorkloadAPI.method.fetchWITSVID,
  [SvidStreamKind.SECRETS_ONCE]: SecretDiscoveryService.method.fetchSecrets,
} as const;

/** Keys that are asked for and that nobody sends: a node that makes none is no use. */
const KEYS_WAITING_MAX = 256;

/**
 * Serves a process behind a node one stream of SVIDs. Private keys never are here: each key is the node's, proved by a
 * request, and its public key stands where the private key would.
 */
export function streamSvidsHandler(
  endpoint: Endpoint,
  ports: NodeStreamPorts,
): handleBidiStreamingCall<Received<NodesStreamSvidsRequest>, never> {
  return (call) => serve(call as unknown as Outer, endpoint, ports);
}

function serve(call: Outer, endpoint: Endpoint, { workloadApi }: NodeStreamPorts): void {
  const waiting: PromiseWithResolvers<KeyPair>[] = [];
  let inner: Inner | undefined;
  let isOver = false;

  const keyPairs: KeyPairs = {
    generate() {
      const wanted = Promise.withResolvers<KeyPair>();
      if (isOver || waiting.length >= KEYS_WAITING_MAX) {
        wanted.reject(new BrokerError("NOT_SERVING", "the node makes no key"));
      } else {
        waiting.push(wanted);
        call.write({ message: { case: "keysWanted", value: 1 } });
      }
      return wanted.promise;
    },
  };

  function finish(): void {
    isOver = true;
    for (const { reject } of waiting.splice(0)) reject(new BrokerError("NOT_SERVING", "the stream has ended"));
    inner?.gone();
  }

  function fail(error: Error): void {
    if (isOver) return;
    finish();
    call.emit("error", error);
  }

  function take({ message }: NodesStreamSvidsRequest): void {
    switch (message.case) {
      case "open":
        if (inner !== undefined) throw invalidField("open", "once");
        inner = innerCall(message.value, call, fail);
        start(inner, message.value);
        return;
      case "request":
        if (inner === undefined) throw invalidField("request", "what is opened, first");
        inner.receive(message.value);
        return;
      case "csr": {
        const { publicKey } = checkCsr(message.value);
        waiting.shift()?.resolve({ publicKey, privateKey: publicKey, isHeldElsewhere: true });
        return;
      }
      case undefined:
        throw invalidField("message", "open, request or csr");
    }
  }

  function start(opened: Inner, kind: SvidStreamKind): void {
    const ports = { ...workloadApi, keyPairs };
    if (kind === SvidStreamKind.SECRETS) {
      secretDiscoveryHandlers(endpoint, ports).streamSecrets(opened.call as never);
      return;
    }
    opened.whenAsked(() => {
      if (kind === SvidStreamKind.SECRETS_ONCE) {
        secretDiscoveryHandlers(endpoint, ports).fetchSecrets(opened.call as never, opened.answer as never);
        return;
      }
      const { fetchX509SVID, fetchWITSVID } = workloadApiHandlers(endpoint, ports);
      const serveStream: (call: never) => void = kind === SvidStreamKind.X509 ? fetchX509SVID : fetchWITSVID;
      serveStream(opened.call as never);
    });
  }

  call.on("data", (received: Received<NodesStreamSvidsRequest>) => {
    try {
      if (!isOver) take(receivedMessage(received));
    } catch (thrown) {
      fail(serviceErrorOf(thrown));
    }
  });
  call.once("end", () => {
    if (isOver) return;
    finish();
    call.end();
  });
  call.once("cancelled", finish);
}

/** A call within the stream, as its handler sees it. */
type Inner = {
  readonly call: EventEmitter;
  /** A message of the process. */
  receive(bytes: Uint8Array): void;
  /** Calls once there is a first message, which is then the call's request. */
  whenAsked(asked: () => void): void;
  /** The only response, or why there is none. */
  answer(error: Error | null, response: unknown): void;
  gone(): void;
};

function innerCall(kind: SvidStreamKind, outer: Outer, fail: (error: Error) => void): Inner {
  const method = kind in STREAMS ? STREAMS[kind as keyof typeof STREAMS] : undefined;
  if (method === undefined) throw invalidField("open", "a kind of stream that this broker serves");
  const { path, requestDeserialize, responseSerialize } = methodDefinitionOf(method);
  let asked: (() => void) | undefined;
  const call = Object.assign(new EventEmitter(), {
    request: undefined as unknown,
    metadata: outer.metadata,
    getPeer: () => outer.getPeer(),
    getPath: () => path,
    writableEnded: false,
    destroyed: false,
    write(message: unknown, sent: () => void = () => undefined) {
      const response = responseSerialize(message);
      return outer.write({ message: { case: "response", value: response } }, sent);
    },
    end: () => outer.end(),
  });
  call.on("error", fail);
  return {
    call,
    receive(bytes) {
      const request = requestDeserialize(Buffer.from(bytes));
      if (asked === undefined) {
        call.emit("data", request);
        return;
      }
      call.request = request;
      const start = asked;
      asked = undefined;
      start();
    },
    whenAsked(then) {
      asked = then;
    },
    answer(error, response) {
      if (error !== null) {
        fail(error);
        return;
      }
      call.write(response);
      call.end();
    },
    gone() {
      call.writableEnded = true;
      call.destroyed = true;
      call.emit("cancelled");
    },
  };
}
