// A process of its own that calls the broker as it is told on standard input, one JSON line a call, so that tests can
// speak from any user, group or program. Answers are JSON lines in the order in which calls end. Told to, it starts other
// commands; a caller that is started in this way speaks over a socket instead, since its starter has the pipes.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { create, fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { SpiffeWorkloadAPI } from "../../src/gen/spiffe/workload/workload_pb.js";
import { Approvals } from "../../src/gen/stint/v1/approvals_pb.js";
import { Authorizations } from "../../src/gen/stint/v1/authorizations_pb.js";
import { Credentials } from "../../src/gen/stint/v1/credentials_pb.js";
import { History } from "../../src/gen/stint/v1/history_pb.js";
import { Revocations } from "../../src/gen/stint/v1/revocations_pb.js";
import { Steps } from "../../src/gen/stint/v1/steps_pb.js";
import { callErrorOf } from "../../src/wire/call-error.ts";
import { openChannel } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";

const [, , socket, speaksOver] = process.argv;
if (socket === undefined) throw new Error("usage: caller SOCKET [SPEAKS-OVER]");
const told = speaksOver === undefined ? undefined : connect(speaksOver);
const [input, output] = [told ?? process.stdin, told ?? process.stdout];

const channel = openChannel(socket);
const services = {
  Steps,
  Credentials,
  Revocations,
  Authorizations,
  SpiffeWorkloadAPI,
  Approvals,
  History,
} as const;
type ServiceName = keyof typeof services;

type Call = {
  readonly id: number;
  readonly service: ServiceName;
  readonly method: string;
  readonly request: JsonValue;
  readonly metadata?: Record<string, string>;
};

type Start = {
  readonly id: number;
  readonly start: readonly string[];
  /** Whether it is handed a connection to the broker, as descriptor 3. */
  readonly connected: boolean;
};

function say(line: object): void {
  output.write(`${JSON.stringify(line)}\n`);
}

async function answer(call: Call): Promise<void> {
  const service = services[call.service];
  const method = service.methods.find((one) => one.localName === call.method);
  if (method === undefined) throw new Error(`no method ${call.method}`);
  const client = createClient(service, channel) as Record<string, unknown>;
  const request = fromJson(method.input, call.request);
  const options = call.metadata === undefined ? {} : { metadata: call.metadata };
  const invoke = client[call.method] as (...args: unknown[]) => unknown;
  try {
    if (method.methodKind === "server_streaming") {
      for await (const message of invoke(request, options) as AsyncIterable<never>) {
        say({ id: call.id, message: toJson(method.output, message) });
      }
      say({ id: call.id, end: true });
      return;
    }
    const response = (await invoke(request, options)) as never;
    say({ id: call.id, ok: toJson(method.output, create(method.output, response)) });
  } catch (thrown) {
    const { codeName, reason, metadata, message } = callErrorOf(thrown);
    say({ id: call.id, error: { code: codeName, reason, metadata, message } });
  }
}

async function start({ id, start: [command = "", ...args], connected }: Start): Promise<void> {
  const handed = connected ? [await idleConnection()] : [];
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "inherit", ...handed] });
  say({ id, ok: { pid: child.pid ?? -1 } });
}

/** A connection of which this process reads nothing, so that nothing is lost to whoever is handed it. */
async function idleConnection(): Promise<Socket> {
  const connection = connect(socket ?? "").pause();
  await once(connection, "connect");
  return connection;
}

createInterface({ input })
  .on("line", (line) => {
    const order = JSON.parse(line) as Call | Start;
    if ("start" in order) void start(order);
    else void answer(order);
  })
  .on("close", () => process.exit(0));
say({ ready: process.pid });
