import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { AuthorityState } from "../../../src/gen/stint/v1/authorities_pb.js";
import { StepState, SvidKind } from "../../../src/gen/stint/v1/types_pb.js";
import { createStint, type Stint } from "../../../src/sdk/runtime/index.ts";
import { callerWith, identityOf, startBrokerDaemon } from "../../conformance/broker-scene.ts";
import type { Daemon } from "../../daemon.ts";
import { READ_SEARCH, SEARCH } from "../../e2e/entries.ts";
import { operatorOf } from "../../e2e/operator.ts";

let daemon: Daemon;

beforeAll(async () => {
  daemon = await startBrokerDaemon();
});

afterAll(() => daemon[Symbol.asyncDispose]());

function stintOver(over: "unix" | "tcp", at: Daemon = daemon): Stint {
  const brokerEndpoint =
    over === "unix" ? `unix://${join(at.directory, "broker.sock")}` : `tcp://127.0.0.1:${at.brokerPort}`;
  const stint = createStint({ endpoint: `unix://${at.workloadSocket}`, brokerEndpoint, agent: "researcher" });
  onTestFinished(stint.close);
  return stint;
}

const grant = [READ_SEARCH] as never;
let runs = 0;
const named = () => {
  runs += 1;
  return { runId: `tls-${runs}`, step: "look-up", grant, executor: "any" } as const;
};

test.for(["unix", "tcp"] as const)(
  "over %s, by mutual TLS, a step is opened, used and closed as over the workload endpoint",
  async (over) => {
    const stint = stintOver(over);
    const options = named();
    const { token, svid } = await stint.withStep(options, async (step) => ({
      token: await step.jwtSvid(SEARCH),
      svid: await step.x509Svid(),
    }));
    expect(decodeJwt(token.svid())).toMatchObject({
      aud: [SEARCH],
      step: "look-up",
      client_id: "spiffe://example.org/agent/researcher",
    });
    expect(svid.spiffeId).toBe(`spiffe://example.org/agent/researcher/run/${options.runId}/step/look-up/1`);
    using operator = operatorOf(daemon.operatorSocket);
    const { steps } = await operator.steps.list({ runId: options.runId });
    expect(steps.map(({ state }) => state)).toEqual([StepState.COMPLETED]);
  },
);

test("a held step does not notice that the runtime's SVID, the broker's and the key that signed both were replaced", async () => {
  await using own = await startBrokerDaemon();
  const stint = stintOver("tcp", own);
  await using step = await stint.openStep(named());

  using operator = operatorOf(own.operatorSocket);
  const active = async () => {
    const { authorities } = await operator.authorities.list({});
    return authorities.find(({ kind, state }) => kind === SvidKind.X509 && state === AuthorityState.ACTIVE);
  };
  const old = (await active())?.authorityId ?? "";
  const { authority } = await operator.authorities.prepare({ kind: SvidKind.X509 });
  await operator.authorities.activate({ authorityId: authority?.authorityId ?? "", now: true });
  await operator.authorities.taint({ authorityId: old, reason: "keyCompromise" });
  expect((await active())?.authorityId).toBe(authority?.authorityId);

  // What the old key signed is revoked: the connection that was made by it is cut, and another takes its place.
  expect((await step.x509Svid()).spiffeId).toContain("/step/look-up/1");
  expect(step.signal.aborted).toBe(false);
  const { step: seen } = await operator.steps.get({ by: { case: "stepId", value: step.stepId } });
  expect(seen?.state).toBe(StepState.OPEN);
  expect(decodeJwt((await step.jwtSvid(SEARCH)).svid())).toMatchObject({ step_id: step.stepId });
});

test("a runtime that is not listed for steps opens and closes them, and gets no credentials of theirs", async () => {
  await using own = await startBrokerDaemon([]);
  const stint = stintOver("tcp", own);
  const refused = stint.withStep(named(), (step) => step.jwtSvid(SEARCH));
  await expect(refused).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
});

test("another runtime's step is not its own to get credentials of, on the broker endpoint neither", async () => {
  const stint = stintOver("tcp");
  await using step = await stint.openStep(named());
  using other = callerWith(daemon, await identityOf(daemon, "spiffe://example.org/runtime/other"));
  await expect(
    other.credentials.issueJwtSvid({ stepId: step.stepId, wanted: { audiences: [SEARCH] } }),
  ).rejects.toMatchObject({ code: status.PERMISSION_DENIED, reason: "NOT_ENTITLED" });
});

test.for(["tcp://127.0.0.1", "http://127.0.0.1:1", "tcp://user@host:1", "127.0.0.1:1"])(
  "a broker endpoint %s is refused",
  async (brokerEndpoint) => {
    const stint = createStint({ endpoint: `unix://${daemon.workloadSocket}`, brokerEndpoint, agent: "researcher" });
    onTestFinished(stint.close);
    await expect(stint.openStep(named())).rejects.toMatchObject({ reason: "INVALID_FIELD" });
  },
);
