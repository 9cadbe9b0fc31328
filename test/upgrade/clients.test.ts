import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import type { Daemon } from "../daemon.ts";
import { isWhole } from "../release/amount.ts";
import { allTold } from "./all-told.ts";
import { judged } from "./content.ts";
import { BUILD_MS_MAX, isWithoutPrevious, type Previous, previousMinor } from "./previous.ts";
import { json, newPlace, type Place, readingAt } from "./scene.ts";
import { sdkOf } from "./sdks.ts";

// Brokers, SDKs and commands of two minors, each with each. What both know works; what the older one does not know it refuses by name.

/** Many commands of the previous version, each a process, on a machine that may be busy. */
vi.setConfig({ testTimeout: 120_000 });

const RESOURCE = "https://library.example/mcp";

type Scene = { readonly place: Place; readonly daemon: Daemon };

let previous: Previous;
let previousBroker: Scene;
let thisBroker: Scene;

async function sceneOf(version: Previous | "this"): Promise<Scene> {
  const place = newPlace(RESOURCE);
  return { place, daemon: await place.start(version) };
}

/** Opens a step, has a token of it verified, closes it, and has it refused; then as an operator takes another one back. */
async function works(version: Previous | "this", { daemon }: Scene): Promise<void> {
  const { runtime, verifier, operator } = await sdkOf(version);
  const { workloadSocket, operatorSocket } = daemon;
  const library = verifier.createVerifier({ endpoint: workloadSocket, audiences: [RESOURCE], development: true });
  onTestFinished(() => library.close());
  await library.ready();
  const stint = runtime.createStint({ endpoint: workloadSocket, agent: "researcher" });
  onTestFinished(() => stint.close());
  const operators = operator.connectOperator({ socket: operatorSocket });
  onTestFinished(() => operators.close());
  const grant = [readingAt(RESOURCE)] as never;
  const open = () =>
    stint.openStep({ runId: `run-of-${version === "this" ? "this" : "previous"}`, step: "search", grant });

  const step = await open();
  const token = (await step.jwtSvid(RESOURCE)).svid();
  expect((await step.x509Svid()).certificates.length).toBeGreaterThan(0);
  expect(judged(library, token)).toBe("accepted");
  const use = { tool: "search", actions: ["read"], datatypes: ["internal"] } as const;
  expect(await library.check(library.verify(token), use)).toMatchObject({ decisionId: expect.any(String) });
  expect(await step.close()).toMatchObject({ state: "COMPLETED" });
  await vi.waitFor(() => expect(judged(library, token)).toBe("REVOKED"));

  const attempt = await stint.openStep({ runId: "taken-back", step: "search", grant });
  await operators.revocations.revoke({ target: { case: "stepId", value: attempt.stepId } });
  await vi.waitFor(() => expect(attempt.signal.aborted).toBe(true));
  expect(await operators.status.get({})).toMatchObject({ ready: true });
}

describe.skipIf(isWithoutPrevious)("clients and brokers of two minors", () => {
  beforeAll(async () => {
    previous = await previousMinor();
    [previousBroker, thisBroker] = await Promise.all([sceneOf(previous), sceneOf("this")]);
  }, BUILD_MS_MAX);
  afterAll(async () => {
    for (const { place, daemon } of [previousBroker, thisBroker].filter((one) => one !== undefined)) {
      await daemon[Symbol.asyncDispose]();
      rmSync(place.directory, { recursive: true, force: true });
    }
  });

  test("the previous SDKs work with this broker: runtime, verifier, operator", async () => {
    await works(previous, thisBroker);
  });

  test("these SDKs work with the previous broker: runtime, verifier, operator", async () => {
    await works("this", previousBroker);
  });

  test.skipIf(!isWhole)(
    "the previous `stint` tells of this broker's ledger what this one tells, in what both know",
    async () => {
      expect(await allTold(thisBroker.place, "this")).toMatchObject(await allTold(thisBroker.place, previous));
    },
  );

  test.skipIf(!isWhole)("this `stint` tells of the previous broker's ledger what that one tells", async () => {
    expect(await allTold(previousBroker.place, "this")).toMatchObject(await allTold(previousBroker.place, previous));
  });

  test("the previous `stint` shows entries of kinds and roles that it does not know as unknown, and can disable them", async () => {
    const { place } = thisBroker;
    for (const args of [["node/edge"], ["operator/mirror", "--role", "standby"]]) {
      await json(place.stint("this"), "entry", "create", ...args, "--selector", "join_token:name:edge");
    }
    const older = place.stint(previous);
    const listed = await json(older, "entry", "list");
    expect(listed.map(({ entry }) => entry)).toEqual(expect.arrayContaining(["unknown/edge", "operator/mirror"]));
    expect(await json(older, "entry", "show", "operator/mirror")).toMatchObject({ role: "unknown_5" });
    expect(await json(older, "entry", "disable", "node/edge")).toMatchObject({ disabled: true });
    // Nothing of what that version does not know is lost by it.
    expect(await json(place.stint("this"), "entry", "show", "node/edge")).toMatchObject({
      kind: "node",
      disabled: true,
    });
  });

  test.for([
    {
      args: ["console", "open"],
      says: "UNIMPLEMENTED: the broker does not know stint.v1.Console/Open: it is of an older version, or serves that at another endpoint",
    },
    {
      args: ["history", "issuances", "--how-long", "validity"],
      says: "UNIMPLEMENTED: the broker does not tell how long anything lasted: it is of an older version",
    },
    {
      args: ["report", "--framework", "owasp-mcp", "--format", "json"],
      says: "UNIMPLEMENTED: the broker does not tell how long anything lasted: it is of an older version",
    },
    {
      args: ["entry", "create", "node/edge", "--selector", "join_token:name:edge"],
      says: "INVALID_FIELD: content.kind: agent, runtime, verifier or operator",
    },
    {
      args: ["entry", "create", "operator/mirror", "--selector", "join_token:name:m", "--role", "standby"],
      says: "INVALID_FIELD: content.role: one of viewer, approver, detector, admin",
    },
  ])("this `stint $args` is refused by the previous broker, by name", async ({ args, says }) => {
    expect(await previousBroker.place.stint("this")(...args)).toEqual({ status: 1, out: "", err: `stint: ${says}\n` });
  });

  test("this operator SDK is refused what the previous broker does not know by name, a stream too", async () => {
    const operators = (await sdkOf("this")).operator.connectOperator({ socket: previousBroker.daemon.operatorSocket });
    onTestFinished(() => operators.close());
    const older = (method: string) => ({
      codeName: "UNIMPLEMENTED",
      message: expect.stringContaining(`the broker does not know stint.v1.${method}: it is of an older version`),
    });
    await expect(operators.console.open({})).rejects.toMatchObject(older("Console/Open"));
    await expect(operators.status.follow({}).next()).rejects.toMatchObject(older("Status/Follow"));
    await expect(operators.ledger.follow({ afterSequence: 0n }).next()).rejects.toMatchObject(older("Ledger/Follow"));
  });
});
