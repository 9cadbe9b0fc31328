import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Server, ServerCredentials, type ServerDuplexStream } from "@grpc/grpc-js";
import { onTestFinished } from "vitest";
import { BrokerError } from "../../../src/domain/errors.ts";
import {
  Revocations,
  type WatchRequest,
  type WatchRequest_Hello,
  type WatchResponse,
  type WatchResponseSchema,
} from "../../../src/gen/stint/v1/revocations_pb.js";
import { addService, type Received, receivedMessage } from "../../../src/wire/service-definition.ts";
import { serviceErrorOf } from "../../../src/wire/service-error.ts";

type Kind = NonNullable<WatchRequest["message"]["case"]>;
type ValueOf<Case extends Kind> = Extract<WatchRequest["message"], { case: Case }>["value"];
type Call = ServerDuplexStream<Received<WatchRequest>, MessageInitShape<typeof WatchResponseSchema>>;

/** One watch as the broker sees it. */
export type Watch = {
  readonly hello: WatchRequest_Hello;
  /** What the verifier sent as `workload.spiffe.io`. */
  readonly securityHeader: unknown;
  /** The next message of this kind, among those not yet taken; the test's time limit bounds the wait. */
  next<Case extends Kind>(kind: Case): Promise<ValueOf<Case>>;
  send(...responses: readonly WatchResponse[]): void;
  end(): void;
  fail(error: BrokerError): void;
  /** Resolves when the verifier has ended the call. */
  readonly cancelled: Promise<void>;
};

export type ScriptedBroker = {
  readonly socket: string;
  /** The next watch that a verifier opens. */
  nextWatch(): Promise<Watch>;
  start(): Promise<void>;
  /** Drops every connection and listens no more. */
  stop(): void;
};

/** Values that come, and those who wait for them, in order. */
function queueOf<Value>() {
  const values: Value[] = [];
  const waiting: ((value: Value) => void)[] = [];
  return {
    push(value: Value): void {
      const next = waiting.shift();
      if (next === undefined) values.push(value);
      else next(value);
    },
    take(): Promise<Value> {
      const value = values.shift();
      return value === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(value);
    },
  };
}

/**
 * A broker that says on the feed just what the test tells it to: a real gRPC server on a unix socket, with nothing
 * behind it.
 */
export async function scriptedBroker(): Promise<ScriptedBroker> {
  const directory = mkdtempSync(join(tmpdir(), "stint-verifier-"));
  const socket = join(directory, "workload.sock");
  const watches = queueOf<Watch>();
  let server = new Server();

  async function start(): Promise<void> {
    server = new Server();
    addService(server, Revocations, {
      watch: (call) => accept(call, watches.push),
      revoke: (_call, callback) => callback(serviceErrorOf(new BrokerError("NOT_ENTITLED", "not here"))),
    });
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) => {
        if (error === null) resolve();
        else reject(error);
      });
    });
  }

  function stop(): void {
    server.forceShutdown();
    rmSync(socket, { force: true });
  }

  await start();
  onTestFinished(() => {
    stop();
    rmSync(directory, { recursive: true });
  });
  return { socket, nextWatch: watches.take, start, stop };
}

function accept(call: Call, opened: (watch: Watch) => void): void {
  const queues = {
    hello: queueOf<ValueOf<"hello">>(),
    ping: queueOf<ValueOf<"ping">>(),
    acknowledge: queueOf<ValueOf<"acknowledge">>(),
  };
  const cancelled = new Promise<void>((resolve) => call.on("cancelled", () => resolve()));
  const watchOf = (hello: WatchRequest_Hello): Watch => ({
    hello,
    securityHeader: call.metadata.get("workload.spiffe.io")[0],
    next: (kind) => queues[kind].take() as Promise<never>,
    send(...responses) {
      for (const response of responses) call.write(response);
    },
    end: () => call.end(),
    fail: (error) => {
      call.emit("error", serviceErrorOf(error));
    },
    cancelled,
  });
  call.on("data", (received: Received<WatchRequest>) => {
    const { message } = receivedMessage(received);
    if (message.case === "hello") opened(watchOf(message.value));
    else if (message.case === "ping") queues.ping.push(message.value);
    else if (message.case === "acknowledge") queues.acknowledge.push(message.value);
  });
  call.on("error", () => undefined);
}
