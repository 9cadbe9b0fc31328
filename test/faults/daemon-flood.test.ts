import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2, type OutgoingHttpHeaders } from "node:http2";
import { connect, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { StepState } from "../../src/gen/stint/v1/types_pb.js";
import { eventually, succeeds } from "../adapters/attestor-unix/peer-processes.ts";
import { type Daemon, isFault, startDaemon } from "../daemon.ts";
import { descriptorsOf, peakBytesOf } from "./daemon-process.ts";
import { closeStep, issueJwt, OWN_ENTRIES, openStep, sessionWith, startOwnDaemon, stateOf } from "./daemon-scene.ts";
import { END_HEADERS, frame, GREETING, HTTP2, PREFACE, request, windowUpdate } from "./raw-http2.ts";

const MEBIBYTE = 1_024 * 1_024;

/** A connection that says what it is told and reads what comes. */
function rawConnection(path: string, ...says: readonly (string | Buffer)[]): Socket {
  const socket = connect({ path }).on("error", () => undefined);
  onTestFinished(() => void socket.destroy());
  for (const bytes of says) socket.write(bytes);
  return socket.resume();
}

function faultsOf(daemon: Daemon): readonly unknown[] {
  return daemon.log.filter(isFault);
}

test("out of descriptors it goes on with the connections and the step it has, and takes new ones once there are some", async (context) => {
  context.skip(!succeeds(["prlimit", "--version"]), "needs prlimit");
  const daemon = await startOwnDaemon({ wrapper: ["prlimit", "--nofile=72:72"] });
  const session = sessionWith(daemon);
  const step = await openStep(session, "early");
  const hold = session.steps.hold({ stepId: step.stepId });
  await hold.next();
  await stateOf(session, step.stepId);
  const before = descriptorsOf(daemon);

  const flood = Array.from({ length: 120 }, () => rawConnection(daemon.workloadSocket, PREFACE));
  await Promise.all(flood.map((socket) => once(socket, "connect")));
  await eventually(() => flood.some((socket) => socket.closed)).toBe(true);
  expect(await issueJwt(session, step.stepId)).toMatch(/^eyJ/);
  expect(await closeStep(session, step.stepId)).toMatchObject({ credentialsRevoked: 1 });
  expect((await hold.next()).value?.step?.state).toBe(StepState.COMPLETED);
  for (const socket of flood) socket.destroy();

  await eventually(() => descriptorsOf(daemon)).toBeLessThanOrEqual(before);
  expect((await openStep(sessionWith(daemon), "late")).state).toBe(StepState.OPEN);
  expect(await daemon.stop()).toBe(0);
});

test("a user has as many connections as the configuration says, and no more", async () => {
  const daemon = await startOwnDaemon({ config: { limits: { connections_per_uid: 4 } } });
  const session = sessionWith(daemon);
  await openStep(session, "early");
  const more = Array.from({ length: 8 }, () => rawConnection(daemon.workloadSocket, PREFACE));
  await eventually(() => more.filter((socket) => socket.closed).length).toBe(5);
  await openStep(session, "meanwhile");
  const refused = daemon.log.filter((line) => line.msg === "connection refused");
  // However many are refused in a minute, the log has one line, and later their count.
  expect(refused).toMatchObject([{ level: "warn", reason: "too-many-connections", uid: process.getuid?.() }]);
  // Operators are no part of it: they must get in when others crowd the door.
  await stateOf(session, "none").catch((error: unknown) => expect(error).toMatchObject({ reason: "STEP_NOT_FOUND" }));

  for (const socket of more) socket.destroy();
  await eventually(() => openStep(sessionWith(daemon), "late").then((step) => step.state, String)).toBe(StepState.OPEN);
  expect(await daemon.stop()).toBe(0);
  const again = daemon.log.filter((line) => line.msg === "connection refused, again within the last minute");
  expect(again).toHaveLength(1);
  // Of the four, and of those that came before the broker had noticed that there is room again.
  expect(again[0]?.["times"]).toBeGreaterThanOrEqual(4);
});

type Answer = { readonly http: number | undefined; readonly grpc: number | undefined; readonly message: string };

/** One call, with whatever it says of itself and whatever bytes as its body. */
function call(session: ClientHttp2Session, headers: OutgoingHttpHeaders, body: Buffer): Promise<Answer> {
  const request = session.request({
    ":method": "POST",
    ":path": "/stint.v1.Steps/Get",
    "content-type": "application/grpc",
    te: "trailers",
    "workload.spiffe.io": "true",
    ...headers,
  });
  let http: number | undefined;
  let grpc: number | undefined;
  let message = "";
  const take = (received: Record<string, unknown>) => {
    http ??= received[":status"] as number | undefined;
    if (received["grpc-status"] !== undefined) grpc = Number(received["grpc-status"]);
    if (received["grpc-message"] !== undefined) message = decodeURIComponent(String(received["grpc-message"]));
  };
  request
    .on("response", take)
    .on("trailers", take)
    .on("error", () => undefined);
  request.resume().end(body);
  return new Promise((resolve) => request.on("close", () => resolve({ http, grpc, message })));
}

/** A gRPC message: whether it is compressed, how long it says it is, and its bytes. */
function framed(bytes: Uint8Array, { compressed = false, length = bytes.length } = {}): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(compressed ? 1 : 0, 0);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, bytes]);
}

/** Header block fragments of one header of so many bytes, as many frames as that takes. */
function longHeader(bytes: number): readonly Buffer[] {
  // A literal without indexing, name and length first; the length as HPACK writes what needs more than seven bits.
  const length = [0x7f];
  for (let rest = bytes - 0x7f; ; rest = Math.floor(rest / 128)) {
    length.push(rest < 128 ? rest : (rest % 128) | 0x80);
    if (rest < 128) break;
  }
  const block = Buffer.concat([Buffer.from([0, 1, 0x78, ...length]), Buffer.alloc(bytes, "a")]);
  const parts: Buffer[] = [];
  for (let at = 0; at < block.length; at += 16_384) parts.push(block.subarray(at, at + 16_384));
  return parts.map((part, index) =>
    frame(index === 0 ? HTTP2.headers : HTTP2.continuation, index === parts.length - 1 ? END_HEADERS : 0, 1, part),
  );
}

const EMPTY = Buffer.alloc(0);
const repeated = (bytes: Buffer) => Buffer.concat(Array(20_000).fill(bytes));

describe("what is no proper request", () => {
  let daemon: Daemon;
  let witnesses = 0;
  beforeAll(async () => {
    daemon = await startDaemon({ entries: OWN_ENTRIES });
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  /** Does something to the daemon while another client goes on calling, which must not notice. */
  async function besideAnother(attack: () => Promise<void>): Promise<void> {
    const witness = sessionWith(daemon);
    witnesses += 1;
    const { stepId } = await openStep(witness, `witness-${witnesses}`);
    await stateOf(witness, stepId);
    const before = { peakBytes: peakBytesOf(daemon), descriptors: descriptorsOf(daemon) };
    let isOver = false;
    const attacking = attack().finally(() => {
      isOver = true;
    });
    do expect(await stateOf(witness, stepId)).toBe(StepState.OPEN);
    while (!isOver);
    await attacking;
    expect(await issueJwt(witness, stepId)).toMatch(/^eyJ/);
    expect(peakBytesOf(daemon) - before.peakBytes).toBeLessThan(100 * MEBIBYTE);
    await eventually(() => descriptorsOf(daemon)).toBeLessThanOrEqual(before.descriptors);
    expect(faultsOf(daemon)).toEqual([]);
  }

  const bomb = gzipSync(Buffer.alloc(64 * MEBIBYTE));
  test.for([
    {
      what: "a message above the limit of messages",
      body: framed(Buffer.alloc(66_000)),
      answer: { grpc: status.RESOURCE_EXHAUSTED, message: "request: at most 65536 bytes" },
    },
    { what: "one far above it", body: framed(Buffer.alloc(300_000)), answer: { grpc: status.RESOURCE_EXHAUSTED } },
    {
      what: "one that says it will be 4 GiB",
      body: framed(Buffer.alloc(3), { length: 0xffff_ffff }),
      answer: { grpc: status.RESOURCE_EXHAUSTED },
    },
    {
      what: "64 MiB of zeros in 64 KiB of gzip",
      headers: { "grpc-encoding": "gzip" },
      body: framed(bomb, { compressed: true }),
      times: 20,
      answer: { grpc: status.RESOURCE_EXHAUSTED },
    },
    {
      what: "gzip that is none",
      headers: { "grpc-encoding": "gzip" },
      body: framed(Buffer.from("none"), { compressed: true }),
      answer: { grpc: status.INTERNAL },
    },
    {
      what: "an encoding that nobody has heard of",
      headers: { "grpc-encoding": "br" },
      body: framed(Buffer.from("any"), { compressed: true }),
      answer: { grpc: status.UNIMPLEMENTED },
    },
    { what: "no message at all", body: Buffer.alloc(0), answer: { grpc: status.UNIMPLEMENTED } },
    {
      what: "two messages for one",
      body: Buffer.concat([framed(Buffer.alloc(0)), framed(Buffer.alloc(0))]),
      answer: { grpc: status.UNIMPLEMENTED },
    },
    {
      what: "bytes that are no message",
      body: framed(Buffer.from([0xff, 0xff, 0xff])),
      answer: { grpc: status.INVALID_ARGUMENT, message: "request: a well-formed stint.v1.GetRequest" },
    },
    { what: "another content type", headers: { "content-type": "application/json" }, answer: { http: 415 } },
    {
      what: "a method that is none",
      headers: { ":path": "/stint.v1.Steps/../Credentials/IssueJwtSvid" },
      answer: { grpc: status.UNIMPLEMENTED },
    },
  ] as readonly {
    what: string;
    headers?: OutgoingHttpHeaders;
    body?: Buffer;
    times?: number;
    answer: Partial<Answer>;
  }[])(
    "such as $what is refused, and costs nobody else anything",
    async ({ headers = {}, body, times = 1, answer }) => {
      await besideAnother(async () => {
        const http2 = connectHttp2("http://localhost", { createConnection: () => connect(daemon.workloadSocket) });
        const calls = Array.from({ length: times }, () => call(http2, headers, body ?? framed(Buffer.alloc(0))));
        for (const one of await Promise.all(calls)) expect(one).toMatchObject(answer);
        http2.destroy();
      });
    },
  );

  test.for([
    { what: "another protocol", says: ["GET / HTTP/1.1\r\nHost: x\r\n\r\n"] },
    { what: "noise", says: [Buffer.from(Array.from({ length: 4_096 }, (_, index) => (index * 167 + 13) % 256))] },
    { what: "a frame longer than any may be", says: [...GREETING, frame(HTTP2.data, 0, 1, Buffer.alloc(100_000))] },
    {
      what: "headers that refer to what no table holds",
      says: [...GREETING, frame(HTTP2.headers, END_HEADERS, 1, Buffer.from([0xff, 0xff]))],
    },
    { what: "64 KiB of metadata", says: [...GREETING, ...longHeader(64 * 1_024)] },
    { what: "2 MiB of metadata that never end", says: [...GREETING, ...longHeader(2 * MEBIBYTE).slice(0, -1)] },
    { what: "pings without number", says: [...GREETING, repeated(frame(HTTP2.ping, 0, 0, Buffer.alloc(8)))] },
    {
      what: "data without number and without a byte",
      says: [...GREETING, request(1), repeated(frame(HTTP2.data, 0, 1, EMPTY))],
    },
    {
      what: "more room than there can be",
      says: [...GREETING, windowUpdate(0, 0x7fff_ffff), windowUpdate(0, 0x7fff_ffff)],
    },
    {
      what: "mistakes for which the broker takes back call after call itself",
      says: [
        ...GREETING,
        ...Array.from({ length: 2_000 }, (_, at) => [request(2 * at + 1), windowUpdate(2 * at + 1, 0)]).flat(),
      ],
    },
    { what: "settings without number", says: [...GREETING, repeated(GREETING[1])] },
  ])("such as $what is heard out, and costs nobody else anything", async ({ says }) => {
    await besideAnother(async () => {
      const sockets = Array.from({ length: 20 }, () => rawConnection(daemon.workloadSocket, ...says));
      for (const socket of sockets) socket.end();
      await eventually(() => sockets.every((socket) => socket.closed)).toBe(true);
    });
  });

  test("such as calls that are taken back at once, by the thousand, costs nobody else anything", async () => {
    await besideAnother(async () => {
      const http2 = connectHttp2("http://localhost", { createConnection: () => connect(daemon.workloadSocket) });
      http2.on("error", () => undefined);
      for (let made = 0; made < 3_000 && !http2.destroyed && !http2.closed; made += 1) {
        const request = http2.request({ ":method": "POST", ":path": "/stint.v1.Steps/Get" });
        request.on("error", () => undefined);
        request.close(8);
        if (made % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      http2.destroy();
    });
  });
});
