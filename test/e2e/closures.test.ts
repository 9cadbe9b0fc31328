import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { type Closure, ClosureState, ReceiptState } from "../../src/gen/stint/v1/types_pb.js";
import { createStint, type Grant } from "../../src/sdk/runtime/index.ts";
import { keepReceiptKey } from "../../src/sdk/verifier/receipt-key.ts";
import { isSignedReceipt } from "../../src/verify/receipt-signature.ts";
import { microsOfTimestamp } from "../../src/wire/timestamps.ts";
import { runStint } from "../cli/running.ts";
import { startDaemon } from "../daemon.ts";
import { FILES, READ_SEARCH, SEARCH, WRITE_FILES } from "./entries.ts";
import { type OpenedStep, type Runtime, runtimeAt } from "./one-user.ts";
import { startVerifier, type VerifierProcess } from "./verifier-process.ts";

const selectors = [`unix:uid:${process.getuid?.()}`];
/** An audience of each entry's own tells the broker which of them a process is. */
const OWN = { one: "https://one.example", two: "https://two.example" } as const;
/** Of the first as long as the test of its stop may take, of the second as small as can be waited for. */
const STALENESS_SECONDS = { one: 60, two: 5 } as const;

/** Two verifiers of one audience, and an audience that nobody watches. */
const ENTRIES = [
  { kind: "agent", name: "researcher", selectors, ceiling: [READ_SEARCH, WRITE_FILES], jwt_svid_ttl: 600 },
  { kind: "runtime", name: "flow", selectors, agents: ["researcher"] },
  ...(["one", "two"] as const).map((name) => ({
    kind: "verifier",
    name,
    selectors,
    audiences: [SEARCH, OWN[name]],
    max_staleness: STALENESS_SECONDS[name],
  })),
];

async function scene() {
  const daemon = await startDaemon({ entries: ENTRIES });
  const runtime = runtimeAt(daemon.workloadSocket);
  return {
    daemon,
    runtime,
    start: (own: keyof typeof OWN) =>
      startVerifier({
        endpoint: daemon.workloadSocket,
        audiences: [SEARCH, OWN[own]],
        maxStalenessSeconds: { read: STALENESS_SECONDS[own], default: STALENESS_SECONDS[own] },
      }),
    async [Symbol.asyncDispose]() {
      runtime[Symbol.dispose]();
      await daemon[Symbol.asyncDispose]();
    },
  };
}

const accepts = (verifier: VerifierProcess, { token }: OpenedStep) =>
  vi.waitFor(async () => expect(await verifier.judge(token)).toBe("accepted"), { timeout: 20_000 });

/** What is told of a step's closure, to the end, or until a closure that is looked for. */
async function told(
  { steps }: Pick<Runtime, "steps">,
  stepId: string,
  isLast: (closure: Closure) => boolean = () => false,
): Promise<readonly Closure[]> {
  const closures: Closure[] = [];
  for await (const { closure } of steps.watchClosure({ stepId })) {
    if (closure === undefined) continue;
    closures.push(closure);
    if (isLast(closure)) break;
  }
  return closures;
}

const shown = ({ state, verifiers }: Closure): Readonly<Record<string, string | undefined>> => ({
  state: ClosureState[state],
  ...Object.fromEntries(verifiers.map((one) => [one.verifier, ReceiptState[one.state]])),
});

describe.concurrent("the closure of a step, before a real broker and verifiers in processes of their own", {
  timeout: 90_000,
}, () => {
  test("is CLOSED once both verifiers have applied it, and stays so when the broker is killed", async () => {
    await using broker = await scene();
    await using one = await broker.start("one");
    await using two = await broker.start("two");
    const step = await broker.runtime.open();
    await accepts(one, step);
    await accepts(two, step);
    // Whoever waits before the close is told with the close.
    const waiting = told(broker.runtime, step.stepId);
    await broker.runtime.close(step);
    const last = (await waiting).at(-1);
    expect(last && shown(last)).toEqual({ state: "CLOSED", one: "APPLIED", two: "APPLIED" });
    expect(await one.judge(step.token)).toBe("REVOKED");
    await broker.daemon.kill();
    await using again = await broker.daemon.restart();
    using runtime = runtimeAt(again.workloadSocket);
    const { closure } = await runtime.steps.get({ by: { case: "stepId", value: step.stepId } });
    expect(closure && shown(closure)).toMatchObject({ state: "CLOSED" });
    expect(closure?.reachedAt).toEqual(last?.reachedAt);
  });

  test("is PARTIAL for as long as one that is gone may accept, and then CLOSED by itself", async () => {
    await using broker = await scene();
    await using one = await broker.start("one");
    const two = await broker.start("two");
    const step = await broker.runtime.open();
    await accepts(one, step);
    await accepts(two, step);
    await two[Symbol.asyncDispose]();
    await broker.runtime.close(step);
    const closures = await told(broker.runtime, step.stepId);
    expect(closures.map(shown)).toContainEqual({ state: "PARTIAL", one: "APPLIED", two: "DISCONNECTED" });
    const [last] = closures.slice(-1);
    expect(last && shown(last)).toEqual({ state: "CLOSED", one: "APPLIED", two: "LAPSED" });
  });

  test("is CLOSED when one that was stopped comes back and applies it", async () => {
    await using broker = await scene();
    await using one = await broker.start("one");
    await using two = await broker.start("two");
    const step = await broker.runtime.open();
    await accepts(one, step);
    await accepts(two, step);
    one.signal("SIGSTOP");
    try {
      await broker.runtime.close(step);
      const isPartial = (closure: Closure) => shown(closure)["two"] === "APPLIED";
      const [partial] = (await told(broker.runtime, step.stepId, isPartial)).slice(-1);
      expect(partial && shown(partial)).toEqual({ state: "PARTIAL", one: "PENDING", two: "APPLIED" });
    } finally {
      one.signal("SIGCONT");
    }
    const [last] = (await told(broker.runtime, step.stepId)).slice(-1);
    expect(last?.state).toBe(ClosureState.CLOSED);
    expect(await one.judge(step.token)).toBe("REVOKED");
  });

  test("is UNKNOWN where nobody watches, until a minute after the expiry", async () => {
    await using broker = await scene();
    const step = await broker.runtime.open({ grant: { elements: [WRITE_FILES] } });
    await broker.runtime.close(step);
    const [closure] = await told(broker.runtime, step.stepId, () => true);
    expect(closure?.state).toBe(ClosureState.UNKNOWN);
    expect(closure?.places).toMatchObject([{ audience: FILES, credentials: 1, leeway: { seconds: 60n } }]);
    const [place] = closure?.places ?? [];
    expect(Number(place?.until?.seconds) - Number(place?.latestExpiry?.seconds)).toBe(60);
  });

  test("is awaited by the command line and by the SDK", async () => {
    await using broker = await scene();
    await using one = await broker.start("one");
    await using two = await broker.start("two");
    const step = await broker.runtime.open();
    await accepts(one, step);
    await accepts(two, step);
    const at = ["--socket", broker.daemon.workloadSocket];
    const closed = await runStint([...at, "-o", "json", "step", "close", step.stepId, "--until", "closed"]);
    expect(closed.status).toBe(0);
    expect(JSON.parse(closed.out).closure).toMatchObject({
      state: "CLOSED",
      places: [{ audience: SEARCH, state: "CLOSED" }],
    });

    const unwatched = await broker.runtime.open({ grant: { elements: [WRITE_FILES] } });
    const args = ["step", "close", unwatched.stepId, "--until", "closed", "--at-most", "1s"];
    const inVain = await runStint([...at, ...args]);
    expect(inVain.status).toBe(1);
    expect(inVain.out).toContain(`UNKNOWN: nobody watches ${FILES}; acceptable until`);

    const grant: Grant = [{ ...READ_SEARCH, type: "mcp_tool", actions: ["read"] }];
    const stint = createStint({ endpoint: broker.daemon.workloadSocket });
    const own = await stint.openStep({ runId: "sdk-run", step: "search", agent: "researcher", grant });
    await own.jwtSvid(SEARCH);
    const { closure } = await own.close("COMPLETED", { untilClosedSeconds: 30 });
    expect(closure?.state).toBe("CLOSED");
    stint.close();
  });

  test("has the verifiers' own signatures, by keys that the broker never had, also after it was killed", async () => {
    const directory = mkdtempSync(join(tmpdir(), "stint-"));
    const receiptKeyFile = join(directory, "receipt.key");
    const { publicKey } = keepReceiptKey(receiptKeyFile);
    const entries = ENTRIES.map((entry) =>
      "name" in entry && entry.name === "one" ? { ...entry, receipt_key: publicKey } : entry,
    );
    await using daemon = await startDaemon({ entries });
    const start = (own: keyof typeof OWN, more: object) => {
      const { [own]: staleness } = STALENESS_SECONDS;
      const maxStalenessSeconds = { read: staleness, default: staleness };
      return startVerifier({
        endpoint: daemon.workloadSocket,
        audiences: [SEARCH, OWN[own]],
        maxStalenessSeconds,
        ...more,
      });
    };
    using runtime = runtimeAt(daemon.workloadSocket);
    await using one = await start("one", { receiptKeyFile });
    await using two = await start("two", {});
    const step = await runtime.open();
    await accepts(one, step);
    await accepts(two, step);
    const { sequence } = await runtime.close(step);
    const last = (await told(runtime, step.stepId)).at(-1);
    const signatures = (closure: Closure | undefined) =>
      Object.fromEntries(closure?.verifiers.map((each) => [each.verifier, each.signed]) ?? []);
    const { one: signed, two: unsigned } = signatures(last);
    expect(unsigned).toBeUndefined();
    if (signed?.at === undefined) throw new TypeError("no signature");
    const { at, signature, ...said } = signed;
    expect(said).toMatchObject({ verifier: "spiffe://example.org/verifier/one", sequence, key: publicKey });
    const receipt = {
      ...said,
      sequence: Number(said.sequence),
      at: microsOfTimestamp(at, "at"),
      signature: Buffer.from(signature).toString("base64url"),
    };
    expect(await isSignedReceipt(receipt)).toBe(true);
    // The journal writes at most once a second.
    const history = async () =>
      (await runStint(["--operator-socket", daemon.operatorSocket, "history", "events", "-o", "jsonl"])).out;
    await vi.waitFor(async () => expect(await history()).toContain(receipt.signature), {
      timeout: 20_000,
      interval: 500,
    });
    await daemon.kill();
    await using again = await daemon.restart();
    using operator = runtimeAt(again.workloadSocket);
    const { closure } = await operator.steps.get({ by: { case: "stepId", value: step.stepId } });
    expect(signatures(closure)["one"]).toEqual(signed);
    rmSync(directory, { recursive: true });
  });

  test("is stated in a receipt that the ledger's key checks when the broker is gone", async () => {
    const directory = mkdtempSync(join(tmpdir(), "stint-"));
    const receiptKeyFile = join(directory, "receipt.key");
    const { publicKey } = keepReceiptKey(receiptKeyFile);
    const own = { kind: "verifier", name: "one", selectors, audiences: [SEARCH], receipt_key: publicKey };
    await using daemon = await startDaemon({ entries: [...ENTRIES.filter(({ kind }) => kind !== "verifier"), own] });
    using runtime = runtimeAt(daemon.workloadSocket);
    await using one = await startVerifier({ endpoint: daemon.workloadSocket, audiences: [SEARCH], receiptKeyFile });
    const step = await runtime.open();
    await accepts(one, step);
    await runtime.close(step);
    await told(runtime, step.stepId);
    const asOperator = ["--operator-socket", daemon.operatorSocket];
    const file = join(directory, "receipt");
    const given = await runStint([...asOperator, "step", "receipt", step.stepId, "--out", file]);
    expect([given.status, given.err]).toEqual([0, ""]);
    const key = (await runStint([...asOperator, "ledger", "key"])).out.trim();
    await daemon.kill();
    const checked = await runStint(["-o", "json", "ledger", "check", file, "--key", key]);
    expect([checked.status, checked.err]).toEqual([0, ""]);
    const verifiers = [{ verifier: "one", state: "APPLIED", signed_by: publicKey }];
    expect(JSON.parse(checked.out)).toMatchObject({
      kind: "closure",
      step_id: step.stepId,
      step_state: "COMPLETED",
      closure: "CLOSED",
      verifiers,
    });
    writeFileSync(file, readFileSync(file, "utf8").replace("COMPLETED", "CANCELLED"));
    const forged = await runStint(["ledger", "check", file, "--key", key]);
    expect([forged.status, forged.err]).toEqual([1, expect.stringContaining("does not hold")]);
    rmSync(directory, { recursive: true });
  });
});
