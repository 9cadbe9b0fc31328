import { closeSync, readFileSync } from "node:fs";
import { Writable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { openOneWayPipe } from "../../../src/cli/one-way-pipe.ts";
import { credentialLineFrom } from "../../../src/sdk/runtime/credential-line.ts";
import { createCredentialPipe, type RenewalFailure } from "../../../src/sdk/runtime/credential-pipe.ts";
import { StintError } from "../../../src/sdk/runtime/index.ts";
import { createJwtSvid, type JwtSvid } from "../../../src/sdk/runtime/jwt-svid.ts";
import { manualTime } from "./manual-time.ts";
import { thrownBy } from "./scripted-broker.ts";

const A = "https://a.example/mcp";
const B = "https://b.example/mcp";
/** Of Linux: what is no longer than this, a pipe takes whole. */
const PIPE_BUF = 4_096;
const TTL_MS = 120_000;
const HOUR_MS = 3_600_000;

/** A step of two locations, a broker that mints and refuses as it is told, and a clock that a test moves. */
function setUp({ padding = 0 } = {}) {
  const time = manualTime();
  const ended = new AbortController();
  const refusals: StintError[] = [];
  const failures: RenewalFailure[] = [];
  let minted = 0;
  function mint(audience: string): JwtSvid {
    minted += 1;
    const svid = `eyJhbGciOiJFUzI1NiJ9.n${minted}${"x".repeat(padding)}.c2ln`;
    const expiresAt = new Date(time.nowMs + TTL_MS);
    return createJwtSvid({ issuanceId: `iss_${minted}`, spiffeId: "", audience, expiresAt, svid });
  }
  const grant = [
    { type: "mcp_tool" as const, locations: [A, B], identifier: "t", actions: ["read" as const], datatypes: ["x"] },
  ];
  const source = {
    facts: { stepId: "step_1", grant, audiences: [], expiresAt: new Date(time.nowMs + HOUR_MS) },
    signal: ended.signal,
    first: async (audience: string) => mint(audience),
    async next({ audience }: JwtSvid) {
      const refusal = refusals.shift();
      if (refusal !== undefined) throw refusal;
      return mint(audience);
    },
  };
  const pipeTo = async (writable: Writable, audiences?: readonly string[]) => {
    const options = { audiences, onRenewalFailed: (failure: RenewalFailure) => void failures.push(failure) };
    const pipe = await createCredentialPipe(source, options, time);
    pipe.writeTo(writable);
    return pipe;
  };
  /** Lets the time of one pause pass. */
  async function pass(): Promise<number> {
    const { ms, end } = await time.paused();
    time.nowMs = Math.ceil(time.nowMs + ms);
    end();
    return ms;
  }
  return { time, ended, refusals, failures, source, pipeTo, pass, minted: () => minted };
}

/** A reader that takes a line when it is told to. */
function slowReader() {
  const lines: string[] = [];
  const taken: (() => void)[] = [];
  const writable = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      taken.push(done);
    },
  });
  return { writable, lines, take: () => taken.shift()?.() };
}

const numbersIn = (lines: readonly string[]) => lines.map((line) => /\.n(\d+)/.exec(line)?.[1]);
const AWAY = new StintError("UNREACHABLE", "the broker does not answer");

test("a token is followed by the next at half of its life", async () => {
  const { pipeTo, pass, time } = setUp();
  const { writable, lines, take } = slowReader();
  await pipeTo(writable, [A]);
  expect(await pass()).toBe(TTL_MS / 2);
  take();
  expect(await pass()).toBe(TTL_MS / 2);
  await time.paused();
  expect(numbersIn(lines)).toEqual(["1", "2"]);
});

test("who does not read holds up no renewal, and of what was not sent finds the newest for each audience", async () => {
  const { pipeTo, pass, time } = setUp();
  const { writable, lines, take } = slowReader();
  await pipeTo(writable);
  for (let n = 0; n < 6; n++) await pass();
  await time.paused();
  take();
  take();
  take();
  const sent = lines.map((line) => credentialLineFrom(line.trimEnd()));
  // The one that was on its way, and then one for each: eight were minted.
  expect(sent.map((line) => line?.audience).toSorted()).toEqual([A, A, B]);
  expect(numbersIn(lines).slice(1).toSorted()).toEqual(["7", "8"]);
});

test.for([
  { what: "which a pipe takes whole or not at all", padding: 3_000 },
  { what: "which a pipe may take in parts", padding: 6_000 },
])("a pipe that is full has lines, $what, the oldest first, and its end is read after them", async ({ padding }) => {
  const { pipeTo, pass, ended, time, minted } = setUp({ padding });
  const { readEnd, writeEnd } = openOneWayPipe();
  await pipeTo(writeEnd, [A]);
  // Twice of what a pipe has room for.
  while (minted() < 40) {
    await pass();
    // The stream hears here that the system has taken a line.
    await setImmediate();
  }
  await time.paused();
  ended.abort();
  // Reads until the end: whoever had not closed the other side would be waited for.
  const text = readFileSync(readEnd, "utf8");
  closeSync(readEnd);
  const lines = text.split("\n");
  // What has no line feed is no line: a part of one, or nothing.
  const unfinished = lines.pop() ?? "";
  expect(unfinished === "" || padding > PIPE_BUF).toBe(true);
  expect(lines.length).toBeLessThan(40);
  expect(lines.length).toBeGreaterThan(5);
  expect(lines.every((line) => credentialLineFrom(line)?.audience === A)).toBe(true);
  expect(numbersIn(lines)).toEqual(lines.map((_, index) => String(index + 1)));
});

test.for([
  { how: "dies under a line", fails: Object.assign(new Error("broken pipe"), { code: "EPIPE" }) },
  { how: "closes its end", fails: undefined },
])("a reader that $how is no error, and nothing more is minted for it", async ({ fails }) => {
  const { pipeTo, minted, time } = setUp();
  const writable = new Writable({ write: (_chunk, _encoding, done) => done(fails) });
  const closed = new Promise((resolve) => writable.once("close", resolve));
  await pipeTo(writable, [A]);
  if (fails === undefined) writable.destroy();
  await closed;
  (await time.paused()).end();
  await setImmediate();
  expect(minted()).toBe(1);
});

test("a broker that is away is told of once, asked again, and told of again the next time", async () => {
  const { pipeTo, pass, refusals, failures, time } = setUp();
  const { writable, lines, take } = slowReader();
  await pipeTo(writable, [A]);
  take();
  refusals.push(AWAY, AWAY, AWAY);
  expect(await pass()).toBe(TTL_MS / 2);
  for (let n = 0; n < 3; n++) expect(await pass()).toBeLessThanOrEqual(1_000);
  take();
  refusals.push(AWAY);
  expect(await pass()).toBe(TTL_MS / 2);
  await time.paused();
  expect(numbersIn(lines)).toEqual(["1", "2"]);
  expect(failures.map(({ audience, error }) => [audience, error.reason])).toEqual([
    [A, "UNREACHABLE"],
    [A, "UNREACHABLE"],
  ]);
});

test("a broker that says no is not asked again for that audience, and for the others it is", async () => {
  const { pipeTo, pass, refusals, failures, minted, time } = setUp();
  const { writable } = slowReader();
  await pipeTo(writable);
  refusals.push(new StintError("NOT_ENTITLED", "the entry is no longer in force"));
  await pass();
  await pass();
  await time.paused();
  expect(failures.map(({ error, isFinal }) => [error.reason, isFinal])).toEqual([["NOT_ENTITLED", true]]);
  expect(minted()).toBe(3);
});

test("a broker that is asked for too much is asked again, later", async () => {
  const { pipeTo, pass, refusals, failures, minted, time } = setUp();
  await pipeTo(slowReader().writable, [A]);
  refusals.push(new StintError("LIMIT_EXCEEDED", "too many"));
  await pass();
  expect(await pass()).toBeGreaterThanOrEqual(5_000);
  await time.paused();
  expect(failures.map(({ isFinal }) => isFinal)).toEqual([false]);
  expect(minted()).toBe(2);
});

test("a broker that is away, and then says no, is told of twice: the first word was that it is asked again", async () => {
  const { pipeTo, pass, refusals, failures } = setUp();
  await pipeTo(slowReader().writable, [A]);
  refusals.push(AWAY, new StintError("EXECUTOR_GONE", "another program"));
  await pass();
  await pass();
  await setImmediate();
  expect(failures.map(({ error }) => error.reason)).toEqual(["UNREACHABLE", "EXECUTOR_GONE"]);
});

test("the end of the step is the end of the stream, also for who has not read a line", async () => {
  const { pipeTo, ended } = setUp();
  const { writable } = slowReader();
  await pipeTo(writable);
  ended.abort();
  expect(writable.writableEnded || writable.destroyed).toBe(true);
});

test("a token that lasts as long as the step is the last one: what came after could last no longer", async () => {
  const { source, time, minted } = setUp();
  const facts = { ...source.facts, expiresAt: new Date(time.nowMs + TTL_MS) };
  const pipe = await createCredentialPipe({ ...source, facts }, { audiences: [A] }, time);
  pipe.writeTo(slowReader().writable);
  const pauses = time.paused().then(() => "pauses");
  expect(await Promise.race([pauses, setImmediate("rests")])).toBe("rests");
  expect(minted()).toBe(1);
});

test("a stream that comes after the end of the step is ended without a line", async () => {
  const { source, ended } = setUp();
  const { writable, lines } = slowReader();
  const pipe = await createCredentialPipe(source, {});
  ended.abort();
  pipe.writeTo(writable);
  expect([writable.writableEnded, lines]).toEqual([true, []]);
});

test.for([
  { what: "an audience that is not the step's", audiences: [A, "https://c.example"], field: "audiences[1]" },
  { what: "none at all", audiences: [], field: "audiences" },
])("$what is refused by its field, and nothing is minted", async ({ audiences, field }) => {
  const { source, minted } = setUp();
  const thrown = await thrownBy(createCredentialPipe(source, { audiences }));
  expect(thrown).toMatchObject({ metadata: { field }, message: expect.stringContaining(`${field}: `) });
  expect(minted()).toBe(0);
});
