import { once } from "node:events";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { connect as connectHttp2, type Settings } from "node:http2";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type ChannelOptions, status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { CONNECTION_OPTIONS } from "../../../src/api/endpoint/connections.ts";
import type { ConnectionRefusal } from "../../../src/api/endpoint/unix-connections.ts";
import { LIMITS } from "../../../src/domain/limits.ts";
import {
  eventually,
  isRoot,
  NEEDS_ROOT,
  openDescriptors,
  openDirectory,
  type PeerProcess,
  start,
  succeeds,
} from "../../adapters/attestor-unix/peer-processes.ts";
import { serveWho, type WhoClient, type WhoEndpoint, whoClient } from "./who-service.ts";

const CALLER_CHILD = fileURLToPath(new URL("./caller-child.ts", import.meta.url));
const ENDPOINT_CHILD = fileURLToPath(new URL("./endpoint-child.ts", import.meta.url));
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const EMPTY_SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

let directory: string;
let path: string;

beforeEach(() => {
  directory = openDirectory();
  path = join(directory, "workload.sock");
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function serve(
  options: Partial<Parameters<typeof serveWho>[0]> = {},
  channelOptions?: ChannelOptions,
): Promise<WhoEndpoint> {
  const who = await serveWho({ path, mode: 0o666, ...options }, channelOptions);
  onTestFinished(who.close);
  return who;
}

function client(): WhoClient {
  const one = whoClient(path);
  onTestFinished(one.close);
  return one;
}

function callerWith(ids: { readonly uid?: number; readonly groups?: readonly number[] }): PeerProcess {
  const caller = start(process.execPath, [CALLER_CHILD, path, JSON.stringify(ids)]);
  onTestFinished(caller.kill);
  return caller;
}

/** A connection that says what it is told, reads nothing, and never closes by itself. */
function rawConnection(...says: readonly (string | Buffer)[]): Socket {
  const socket = connect({ path, allowHalfOpen: true }).on("error", () => undefined);
  onTestFinished(() => void socket.destroy());
  for (const bytes of says) socket.write(bytes);
  return socket;
}

async function answerTo(caller: PeerProcess): Promise<string> {
  return JSON.parse((await caller.said("answer")).join(" "));
}

/** Who this very process is told to be. */
async function ownAnswer(): Promise<string> {
  return client().call("Am");
}

describe("callers of other users", () => {
  beforeEach((context) => context.skip(!isRoot, NEEDS_ROOT));

  test("are each known by their own uid", async () => {
    await serve();
    const callers = [61_001, 61_002, 61_003].map((uid) => ({ uid, caller: callerWith({ uid, groups: [] }) }));

    for (const { caller } of callers) caller.tell("call");

    for (const { uid, caller } of callers) {
      const { uid: answered, selectors } = JSON.parse(await answerTo(caller));
      expect(answered).toBe(uid);
      expect(selectors).toContain(`unix:uid:${uid}`);
      expect(selectors.filter((one: string) => one.startsWith("unix:uid:"))).toHaveLength(1);
    }
  });

  test("are not believed what they say of themselves", async () => {
    await serve();
    const caller = callerWith({ uid: 61_001, groups: [63_001] });
    const claims = { uid: "0", peer: "unix-1", "unix-uid": "0", "x-forwarded-for": "unix-1", forwarded: "for=unix-1" };

    caller.tell(`call ${JSON.stringify(claims)}`);

    const { uid, selectors } = JSON.parse(await answerTo(caller));
    expect(uid).toBe(61_001);
    expect(selectors).toContain("unix:supplementary_gid:63001");
    expect(selectors).not.toContain("unix:uid:0");
  });

  test("keep nobody else out by opening more connections than they may", async () => {
    const refusals: ConnectionRefusal[] = [];
    const { endpoint } = await serve({ onRefused: (refusal) => refusals.push(refusal) });
    const greedy = callerWith({ uid: 61_001, groups: [] });
    const other = callerWith({ uid: 61_002, groups: [] });

    greedy.tell("connect 300");
    await greedy.said("connected");
    await expect
      .poll(() => endpoint.connections())
      .toMatchObject({
        open: LIMITS.connectionsPerUidMax,
        refused: { "too-many-connections": 300 - LIMITS.connectionsPerUidMax },
      });
    greedy.tell("call");
    other.tell("call");

    expect(JSON.parse(await answerTo(other)).uid).toBe(61_002);
    expect(await answerTo(greedy)).not.toContain("unix:uid");
    expect(new Set(refusals.map((one) => JSON.stringify(one)))).toEqual(
      new Set(['{"reason":"too-many-connections","uid":61001}']),
    );

    greedy.tell("disconnect");
    await greedy.said("disconnected");
    const served = async (): Promise<boolean> => {
      greedy.tell("call");
      return (await answerTo(greedy)).includes("unix:uid:61001");
    };
    await eventually(served).toBe(true);
  });
});

/** The answers of `Am`, or what the call failed with. */
async function answerOver(authority: string, settings: Settings, calls = 1): Promise<string[]> {
  const session = connectHttp2("http://localhost", { createConnection: () => connect(path), settings });
  session.on("error", () => undefined);
  const answers: string[] = [];
  for (let call = 0; call < calls; call += 1) {
    const stream = session.request({
      ":method": "POST",
      ":path": "/stint.test.Who/Am",
      ":authority": authority,
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.end(Buffer.alloc(5));
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of stream) chunks.push(chunk as Buffer);
      answers.push(Buffer.concat(chunks).subarray(5).toString());
    } catch (error) {
      answers.push(String(Reflect.get(error as object, "code")));
    }
  }
  session.close();
  return answers;
}

describe("a client that names the socket's path as its authority, as grpc-java does", () => {
  test("is served, call after call, and known by what the kernel says", async () => {
    const { endpoint } = await serve();
    const answers = await answerOver(path, { maxConcurrentStreams: 0 }, 3);
    expect(answers).toHaveLength(3);
    for (const answer of answers) expect(JSON.parse(answer).uid).toBe(process.geteuid?.());
    await eventually(() => endpoint.connections().open).toBe(0);
  });

  test("leaves no descriptor behind, whoever ends the connection", async () => {
    const { endpoint } = await serve();
    await ownAnswer();
    const before = openDescriptors();
    for (let round = 0; round < 10; round += 1) {
      await answerOver(path, { maxConcurrentStreams: 0 });
      const gone = rawConnection(PREFACE, Buffer.from("000006040000000000000300000000", "hex"));
      await once(gone, "connect");
      await eventually(() => endpoint.connections().open).toBe(2);
      gone.destroy();
      await eventually(() => endpoint.connections().open).toBe(1);
    }
    await eventually(openDescriptors).toBeLessThanOrEqual(before);
  });

  test("is closed when it has been idle", async () => {
    const { endpoint } = await serve({ silenceMs: 100 }, { "grpc.max_connection_idle_ms": 100 });
    const idle = rawConnection(PREFACE, Buffer.from("000006040000000000000300000000", "hex"));
    await once(idle, "connect");
    await eventually(() => endpoint.connections().open).toBe(1);
    await eventually(() => endpoint.connections().open).toBe(0);
  });

  test("is dropped, and nobody else is, when there are no descriptors for its filter", async () => {
    const { endpoint } = await serve({ openPair: () => undefined });
    expect(await answerOver(path, { maxConcurrentStreams: 0 })).not.toEqual([expect.stringContaining("uid")]);
    expect(await ownAnswer()).toContain("uid");
    expect(endpoint.connections().refused["not-accepted"]).toBe(1);
  });

  test("has a call in flight, and is dropped by force", async () => {
    const { endpoint, waiting } = await serve();
    const session = connectHttp2("http://localhost", {
      createConnection: () => connect(path),
      settings: { maxConcurrentStreams: 0 },
    });
    session.on("error", () => undefined);
    session
      .request({
        ":method": "POST",
        ":path": "/stint.test.Who/Wait",
        ":authority": path,
        te: "trailers",
        "content-type": "application/grpc",
      })
      .on("error", () => undefined)
      .end(Buffer.alloc(5));
    await eventually(() => waiting.length).toBe(1);
    endpoint.close();
    await once(session, "close");
    await eventually(() => endpoint.connections().open).toBe(0);
    expect(await waiting[0]?.()).toBe("NO_IDENTITY: the connection is closed");
  });
});

test("a client that calls in its first bytes needs no filter, and gets none", async () => {
  await serve({ openPair: () => undefined });
  expect(JSON.parse((await answerOver("localhost", {})).join("")).uid).toBe(process.geteuid?.());
});

test.for([
  { client: "through a filter", settings: Buffer.from("000006040000000000000300000000", "hex") },
  { client: "as it is", settings: EMPTY_SETTINGS },
])(
  "a client that is served $client, and cut off in the middle of what it says, is let go at once",
  async ({ settings }) => {
    const { endpoint } = await serve({ silenceMs: 3_600_000 });
    const headers = Buffer.concat([Buffer.from([0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82]), continuations(2 << 20)]);
    for (let round = 0; round < 5; round += 1) {
      const clients = Array.from({ length: 20 }, () => rawConnection(PREFACE, settings).resume());
      for (const one of clients) one.end(headers);
      await Promise.all(clients.map((one) => new Promise((resolve) => one.once("close", resolve))));
    }
    await eventually(() => endpoint.connections().open).toBe(0);
  },
);

test.for([
  { where: "that is served", connectionsPerUidMax: 10 },
  { where: "that is refused", connectionsPerUidMax: 0 },
])(
  "calls that are taken back at once, by the thousand, disturb no other, on a connection $where",
  async ({ connectionsPerUidMax }) => {
    const { endpoint } = await serve({ connectionsPerUidMax });
    for (const method of ["GET", "POST"]) {
      const session = connectHttp2("http://localhost", { createConnection: () => connect(path) });
      session.on("error", () => undefined);
      for (let made = 0; made < 3_000 && !session.destroyed && !session.closed; made += 1) {
        session
          .request({ ":method": method, ":path": "/stint.test.Who/Echo" })
          .on("error", () => undefined)
          .close(8);
        if (made % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      session.destroy();
    }
    await eventually(() => endpoint.connections().open).toBe(0);
  },
);

describe("a user with as many connections as it may have", () => {
  test("is told so by the answer to each call", async () => {
    const refusals: ConnectionRefusal[] = [];
    const { endpoint } = await serve({ connectionsPerUidMax: 1, onRefused: (refusal) => refusals.push(refusal) });
    const first = rawConnection(PREFACE, EMPTY_SETTINGS);
    await eventually(() => endpoint.connections().open).toBe(1);

    const second = client();
    for (let call = 0; call < 3; call += 1) {
      expect(await second.call("Echo")).toBe("too many connections of this user: at most 1");
    }
    const { code, reason } = await second.refusal("Echo");
    expect({ code, reason }).toEqual({ code: status.RESOURCE_EXHAUSTED, reason: "LIMIT_EXCEEDED" });

    expect(endpoint.connections().open).toBe(1);
    expect(refusals).toContainEqual({ reason: "too-many-connections", uid: process.geteuid?.() });
    first.destroy();
    await eventually(() => endpoint.connections().open).toBe(0);
    await eventually(() => second.call("Echo")).toBe("x");
  });

  test("and asks for more and more, is answered for some and cut off otherwise, and leaves nothing behind", async () => {
    const { endpoint } = await serve({ connectionsPerUidMax: 1 });
    const first = client();
    await first.call("Echo");
    const before = openDescriptors();
    const flood = Array.from({ length: 100 }, () => rawConnection().resume());
    await Promise.all(flood.map((socket) => once(socket, "end")));
    for (const socket of flood) socket.destroy();
    expect(endpoint.connections()).toMatchObject({ open: 1, refused: { "too-many-connections": 100 } });
    await eventually(openDescriptors).toBeLessThanOrEqual(before);
    expect(await first.call("Echo")).toBe("x");
  });
});

test("600 callers that connect at the same instant are all accepted", async (context) => {
  const queue = Number(readFileSync("/proc/sys/net/core/somaxconn", "latin1"));
  context.skip(queue < 600, `net.core.somaxconn is ${queue} here`);
  const { endpoint } = await serve({ connectionsPerUidMax: 1_000 });

  const sockets = Array.from({ length: 600 }, () => rawConnection(PREFACE));

  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  await eventually(() => endpoint.connections().open).toBe(600);
});

test("200 connections that came and went leave no descriptor behind", async () => {
  const { endpoint } = await serve();
  await ownAnswer();
  await eventually(() => endpoint.connections().open).toBe(1);
  const before = openDescriptors();

  for (let round = 0; round < 20; round += 1) {
    const clients = Array.from({ length: 5 }, () => whoClient(path));
    const raw = Array.from({ length: 5 }, () => connect(path).on("error", () => undefined));
    expect(await Promise.all(clients.map((one) => one.call("Echo")))).toEqual(Array(5).fill("x"));
    for (const one of [...clients]) one.close();
    for (const one of raw) one.destroy();
  }

  await eventually(() => endpoint.connections().open).toBe(1);
  await eventually(openDescriptors).toBeLessThanOrEqual(before);
});

describe("a connection that", () => {
  test.for([
    { does: "says nothing", says: [] },
    { does: "says less than the preface", says: [PREFACE.slice(0, -1)] },
  ])("$does is closed after a while, and no other is", async ({ says }) => {
    const { endpoint } = await serve({ silenceMs: 200 });
    const good = client();
    await good.call("Echo");

    const silent = rawConnection(...says).resume();
    await once(silent, "end");

    await eventually(() => endpoint.connections()).toMatchObject({ open: 1, refused: { silent: 1 } });
    expect(await good.call("Echo")).toBe("x");
    expect(endpoint.connections()).toMatchObject({ open: 1, refused: { silent: 1 } });
  });

  test.for([
    { does: "says only the preface", says: [PREFACE] },
    { does: "shakes hands but never calls", says: [PREFACE, EMPTY_SETTINGS] },
  ])("$does is closed when it has been idle, though it does not close its own end", async ({ says }) => {
    const { endpoint } = await serve({ silenceMs: 100 }, { "grpc.max_connection_idle_ms": 100 });

    const idle = rawConnection(...says);
    await once(idle, "connect");
    await eventually(() => endpoint.connections().open).toBe(1);

    await eventually(() => endpoint.connections().open).toBe(0);
  });

  test("has a call in flight is not idle", async () => {
    const { endpoint, waiting } = await serve({ silenceMs: 100 }, { "grpc.max_connection_idle_ms": 100 });
    const answer = client().call("Wait");
    await eventually(() => waiting.length).toBe(1);
    const idle = rawConnection(PREFACE, EMPTY_SETTINGS);
    await once(idle, "connect");
    await eventually(() => endpoint.connections().open).toBe(2);
    // By the time that one is closed, the call has been waiting for longer.
    await eventually(() => endpoint.connections().open).toBe(1);

    await waiting[0]?.();

    expect(JSON.parse(await answer).uid).toBe(process.geteuid?.());
  });

  test.for([
    { speaks: "HTTP/1.1", says: "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" },
    { speaks: "TLS", says: Buffer.from("16030100a5010000a10303", "hex") },
    { speaks: "noise", says: Buffer.alloc(65_536, 0xa5) },
    { speaks: "zeros", says: Buffer.alloc(65_536) },
    {
      speaks: "a frame longer than allowed",
      says: Buffer.from(`${PREFACE}\xff\xff\xff\x00\x00\x00\x00\x00\x01`, "latin1"),
    },
    { speaks: "headers that do not decode", says: Buffer.concat([Buffer.from(PREFACE), EMPTY_SETTINGS, badHeaders()]) },
    { speaks: "a second preface", says: PREFACE + PREFACE },
  ])("speaks $speaks disturbs no other", async ({ says }) => {
    const { endpoint, waiting } = await serve();
    const good = client();
    const answer = good.call("Wait");
    await eventually(() => waiting.length).toBe(1);
    const before = openDescriptors();

    const bad = Array.from({ length: 20 }, () => rawConnection(says).resume());
    await Promise.all(bad.map((socket) => once(socket, "end")));
    for (const socket of bad) socket.destroy();

    await eventually(() => endpoint.connections().open).toBe(1);
    await eventually(openDescriptors).toBeLessThanOrEqual(before);
    await waiting[0]?.();
    expect(JSON.parse(await answer).uid).toBe(process.geteuid?.());
  });
});

test("the options for an endpoint's server close a connection that has been without a call for 15 minutes", () => {
  expect(CONNECTION_OPTIONS).toEqual({ "grpc.max_connection_idle_ms": 15 * 60 * 1_000 });
});

test("a call that outlives its connection has no caller any more", async () => {
  const { endpoint, waiting } = await serve();
  const leaving = callerWith({});
  leaving.tell("wait");
  await eventually(() => waiting.length).toBe(1);

  await leaving.kill();
  await eventually(() => endpoint.connections().open).toBe(0);

  expect(await waiting[0]?.()).toBe("NO_IDENTITY: the connection is closed");
});

test("a call that came some other way has no caller", async () => {
  const { endpoint } = await serve();

  for (const peer of ["unknown", "", "unix-0", "127.0.0.1:443"]) {
    expect(() => endpoint.peerOf({ getPeer: () => peer })).toThrow("the connection is closed");
  }
});

describe("stopping", () => {
  test("takes the path away, lets what is in flight finish, and accepts nobody", async () => {
    const { endpoint, server, waiting } = await serve();
    const answer = client().call("Wait");
    await eventually(() => waiting.length).toBe(1);

    endpoint.stop();
    const shutDown = new Promise((resolve) => server.tryShutdown(resolve));

    expect(existsSync(path)).toBe(false);
    expect(await client().call("Echo")).not.toBe("x");
    await waiting[0]?.();
    expect(JSON.parse(await answer).uid).toBe(process.geteuid?.());
    expect(await shutDown).toBeUndefined();
    await eventually(() => endpoint.connections().open).toBe(0);
  });

  test("by force drops every connection, also one in the middle of a call", async () => {
    const { endpoint, waiting } = await serve();
    const answer = client().call("Wait");
    const raw = rawConnection().resume();
    await once(raw, "connect");
    await eventually(() => waiting.length + endpoint.connections().open).toBe(3);

    endpoint.close();

    await once(raw, "end");
    expect(await answer).not.toContain("unix:uid");
    await eventually(() => endpoint.connections().open).toBe(0);
  });
});

test.for([61, 62, 63, 64])(
  "with no more than %i descriptors, running out of them costs new callers their connection, and nobody else anything",
  async (descriptors, context) => {
    context.skip(!succeeds(["prlimit", "--version"]), "needs prlimit");
    const limit = [`--nofile=${descriptors}:${descriptors}`, process.execPath, ENDPOINT_CHILD, path];
    const broker = start("prlimit", limit);
    onTestFinished(broker.kill);
    await broker.said("listening");
    const early = client();
    expect(await early.call("Echo")).toBe("x");

    const flood = Array.from({ length: 100 }, () => rawConnection(PREFACE).resume());
    await Promise.all(flood.map((socket) => once(socket, "connect")));
    const refused = async (): Promise<number> => {
      broker.tell("connections");
      const { refused: counts } = JSON.parse((await broker.said("connections")).join(" "));
      return counts["not-accepted"] + counts["no-peer"];
    };
    await eventually(refused).toBeGreaterThan(0);
    // A caller cannot be attested without a descriptor.
    expect(JSON.parse(await early.call("Am")).uid).toBe(process.geteuid?.());
    for (const socket of flood) socket.destroy();

    await eventually(ownAnswer).toContain(`unix:uid:${process.geteuid?.()}`);
    expect(JSON.parse(await early.call("Am")).uid).toBe(process.geteuid?.());
    expect(broker.child.exitCode).toBeNull();
  },
);

/** A HEADERS frame whose block refers to an entry that no table has. */
function badHeaders(): Buffer {
  return Buffer.from([0, 0, 2, 1, 4, 0, 0, 0, 1, 0xff, 0xff]);
}

/** Frames of a block of headers that does not end. */
function continuations(bytes: number): Buffer {
  const frame = Buffer.concat([Buffer.from([0, 0x40, 0, 9, 0, 0, 0, 0, 1]), Buffer.alloc(16_384, "a")]);
  return Buffer.concat(Array.from({ length: bytes / 16_384 }, () => frame));
}
