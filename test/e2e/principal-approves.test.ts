import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { Approvals } from "../../src/gen/stint/v1/approvals_pb.js";
import { type Step, StepState } from "../../src/gen/stint/v1/types_pb.js";
import type { Caller } from "../conformance/broker-scene.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { ASK_FIRST, policiesIn } from "./approval-daemon.ts";
import { READ_SEARCH } from "./entries.ts";
import { type OidcIssuer, startOidcIssuer } from "./oidc-issuer.ts";
import { type Runtime, runtimeAt } from "./one-user.ts";
import { callerFrom, REMOTE_ENDPOINTS } from "./remote-operator.ts";

// People who sign in at one issuer: a step works for one of them, and one of them approves.

const STEPS_AUDIENCE = "https://broker.example.org/steps";
const OPERATORS_AUDIENCE = "https://broker.example.org/operators";
const selectors = [`unix:uid:${process.getuid?.()}`];

let issuer: OidcIssuer;
let other: OidcIssuer;
let site: Disposable & { readonly directory: string };
let daemon: Daemon;
let runtime: Runtime;

beforeAll(async () => {
  [issuer, other] = await Promise.all([startOidcIssuer(), startOidcIssuer()]);
  site = policiesIn(ASK_FIRST);
  const approver = (name: string, selectors: readonly string[]) => ({
    ...{ kind: "operator", name, selectors, role: "approver" },
  });
  daemon = await startDaemon({
    entries: [
      { kind: "agent", name: "clerk", selectors, ceiling: [READ_SEARCH], may_open: true },
      approver("ada", [`oidc:iss:${issuer.url}`, "oidc:sub:ada"]),
      approver("grace", [`oidc:iss:${issuer.url}`, "oidc:sub:grace"]),
      approver("namesake", [`oidc:iss:${other.url}`, "oidc:sub:ada"]),
      approver("team", [`oidc:iss:${issuer.url}`, "oidc:claim:team:finance"]),
    ],
    config: {
      policies: { directory: site.directory },
      principals: { issuers: [{ issuer: issuer.url, audience: STEPS_AUDIENCE }] },
      broker: REMOTE_ENDPOINTS.broker,
      attestation: {
        ...REMOTE_ENDPOINTS.attestation,
        oidc: [issuer, other].map(({ url }) => ({ issuer: url, audience: OPERATORS_AUDIENCE })),
      },
    },
  });
  runtime = runtimeAt(daemon.workloadSocket);
});
afterAll(async () => {
  runtime?.[Symbol.dispose]();
  await daemon?.[Symbol.asyncDispose]();
  site?.[Symbol.dispose]();
  for (const one of [issuer, other]) one?.close();
});

let runs = 0;
async function askFor(sub: string | undefined): Promise<Step> {
  runs += 1;
  const { step } = await runtime.steps.open({
    ...{ runId: `for-${runs}`, step: "look-up", agent: "clerk", acceptPending: true },
    grant: { elements: [READ_SEARCH] },
    ...(sub === undefined ? {} : { principalToken: await issuer.token({ sub }, STEPS_AUDIENCE) }),
  });
  expect(step?.state).toBe(StepState.PENDING_APPROVAL);
  return step ?? expect.fail("no step in the answer");
}

async function approvalsOf(at: OidcIssuer, claims: Record<string, string>, entry?: string) {
  const token = await at.token(claims, OPERATORS_AUDIENCE);
  const caller: Caller = await callerFrom(daemon, { oidc: () => token }, entry);
  onTestFinished(() => caller[Symbol.dispose]());
  return caller.clientOf(Approvals);
}

const approving = ({ stepId, approval }: Step) => ({
  ...{ stepId, requestDigest: approval?.requestDigest ?? "", reason: "looked at it" },
});

test("whom a step works for does not approve it, however far away; another person of the same issuer does", async () => {
  const step = await askFor("ada");
  const ada = await approvalsOf(issuer, { sub: "ada" });
  await expect(ada.approve(approving(step))).rejects.toMatchObject({
    reason: "NOT_ENTITLED",
    message: "whom the step works for does not approve it",
  });
  const grace = await approvalsOf(issuer, { sub: "grace" });
  expect((await grace.approve(approving(step))).step?.state).toBe(StepState.OPEN);
});

test("whom one step works for approves another's, and a namesake at another issuer is another person", async () => {
  const ada = await approvalsOf(issuer, { sub: "ada" });
  for (const sub of ["grace", undefined]) {
    expect((await ada.approve(approving(await askFor(sub)))).step?.state).toBe(StepState.OPEN);
  }
  const namesake = await approvalsOf(other, { sub: "ada" });
  expect((await namesake.approve(approving(await askFor("ada")))).step?.state).toBe(StepState.OPEN);
});

test("an approver known by a claim alone could be whom the step works for, and approves what works for nobody", async () => {
  const team = await approvalsOf(issuer, { sub: "ada", team: "finance" }, "operator/team");
  await expect(team.approve(approving(await askFor("ada")))).rejects.toMatchObject({
    reason: "NOT_ENTITLED",
    message: "an approver whose entry names no oidc:sub could be whom the step works for",
  });
  expect((await team.approve(approving(await askFor(undefined)))).step?.state).toBe(StepState.OPEN);
});
