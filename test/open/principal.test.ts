import { generateKeyPairSync } from "node:crypto";
import { decodeJwt } from "jose";
import { describe, expect, test } from "vitest";
import { createOidcPrincipals } from "../../src/adapters/attestor-oidc/oidc-principals.ts";
import { createCedarEngine } from "../../src/adapters/policy-cedar/cedar-engine.ts";
import { readPolicies } from "../../src/adapters/policy-cedar/read-policies.ts";
import { isDenial } from "../../src/domain/errors.ts";
import type { Step } from "../../src/domain/step.ts";
import { secondsOf } from "../../src/domain/time.ts";
import { issueDelegationToken } from "../../src/issue/issue-delegation-token.ts";
import { issueSvids } from "../../src/issue/issue-svids.ts";
import type { OpenRequest } from "../../src/open/open-request.ts";
import { openStep } from "../../src/open/open-step.ts";
import type { PolicyEngine } from "../../src/ports/policy-engine.ts";
import { AUDIENCE, jwkOf, loopbackIssuer, ROOTS } from "../adapters/attestor-oidc/loopback-issuer.ts";
import { ecKey } from "../adapters/attestor-oidc/oidc-scene.ts";
import { OPERATOR } from "../simulation/broker.ts";
import type { SimulatedProcess } from "../simulation/kernel.ts";
import { forge, type Json, signature } from "../verify/token-forge.ts";
import { pathScene, READ, SEARCH, segment, WRITE } from "./path-scene.ts";

const key = ecKey("one");
/** Longer than what a digest could hold by chance. */
const ADA = "ada.lovelace@example.org";

/** The paths, with an issuer of principals on a real HTTPS server. */
async function scene({ singleUse = false, engine }: { singleUse?: boolean; engine?: PolicyEngine } = {}) {
  const paths = await pathScene({}, engine);
  const issuer = await loopbackIssuer();
  issuer.publish({
    "/.well-known/openid-configuration": { issuer: issuer.url, jwks_uri: `${issuer.url}/keys` },
    "/keys": { keys: [jwkOf(key)] },
  });
  const trusted = { issuer: issuer.url, audience: AUDIENCE, singleUse, roots: ROOTS, claims: ["department"] };
  const principalTokens = createOidcPrincipals({ issuers: [trusted], clock: paths.clock });
  let sealed = 0;
  const { principals } = paths.broker.ports;
  const counted: typeof principals = {
    ...principals,
    seal(known) {
      sealed += 1;
      return principals.seal(known);
    },
  };
  const ports = { ...paths.broker.ports, principals: counted, principalTokens };
  let runs = 0;

  /** A token of now: another with each call. */
  function token(claims: Json = {}): string {
    const now = secondsOf(paths.clock.now());
    const ofToken = { iss: issuer.url, sub: ADA, aud: AUDIENCE, iat: now, exp: now + 300, jti: crypto.randomUUID() };
    const header = JSON.stringify({ alg: key.algorithm, kid: key.kid, typ: "JWT" });
    return forge(
      header,
      JSON.stringify({ ...ofToken, department: "department-of-engines", ...claims }),
      signature(key, key.algorithm),
    );
  }
  async function open(by: SimulatedProcess, own: Partial<OpenRequest> = {}): Promise<Step> {
    runs += 1;
    const request = paths.requestOf({ runId: segment(`run-${runs}`), ...own });
    return (await openStep(await paths.attested(by), request, ports)).step;
  }
  const idOf = (sub: string) => principals.idOf({ iss: issuer.url, sub });

  return {
    ...paths,
    issuer,
    ports,
    token,
    open,
    idOf,
    sealed: () => sealed,
    child: (parent: Step, own: Partial<OpenRequest> = {}) =>
      open(paths.runtime, { parentStepId: parent.stepId, runId: parent.runId, step: segment("child"), ...own }),
    known: (step: Step) => principals.open(step.principal ?? { principalId: "", sealed: "" }),
    async jwtOf({ stepId }: Step): Promise<string> {
      const order = { stepId, wanted: [{ kind: "jwt-svid", audiences: [SEARCH] }] } as const;
      const [svid] = await issueSvids(await paths.attested(paths.researcher), order, ports);
      if (svid === undefined || isDenial(svid)) throw new TypeError("no token");
      return Buffer.from(svid.svid).toString("latin1");
    },
    offboard: (sub: string) =>
      paths.store.ledger.perform({
        act: "offboard-principal",
        principalId: idOf(sub),
        barAhead: true,
        by: OPERATOR,
        now: paths.clock.now(),
      }),
    async recorded(): Promise<string> {
      const rows = await paths.store.history.events({ limit: 1_000 });
      return rows.map(({ canonical }) => Buffer.from(canonical).toString()).join("\n");
    },
  };
}

const refusal = (code: string, message: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

test("a step works for whom its token proves; its credentials say so, and the ledger names nobody", async () => {
  const { open, token, known, jwtOf, recorded, issuer, runtime, idOf } = await scene();
  const principalToken = token();
  const step = await open(runtime, { principalToken });
  expect(await known(step)).toEqual({
    principalId: idOf(ADA),
    iss: issuer.url,
    sub: ADA,
    claims: { department: "department-of-engines" },
  });
  const { principal } = decodeJwt(await jwtOf(step)) as { readonly principal: Json };
  expect(principal).toEqual({ iss: issuer.url, sub: ADA, salt: expect.stringMatching(/^[A-Za-z0-9_-]{22}$/) });
  const events = await recorded();
  expect(events).toContain(idOf(ADA));
  for (const secret of [ADA, "department-of-engines", issuer.url, ...principalToken.split(".")])
    expect(events).not.toContain(secret);
});

test("two tokens of one step have two salts, none of which is recorded: names can't be tried against their digests", async () => {
  const { open, token, jwtOf, recorded, runtime } = await scene();
  const step = await open(runtime, { principalToken: token() });
  const salts = [await jwtOf(step), await jwtOf(step)].map((jwt) => (decodeJwt(jwt)["principal"] as Json)["salt"]);
  expect(new Set(salts).size).toBe(2);
  const events = await recorded();
  for (const salt of salts) expect(events).not.toContain(salt);
});

test("a step that names nobody has no principal, and no issuer is asked", async () => {
  const { open, jwtOf, issuer, runtime } = await scene();
  const step = await open(runtime);
  expect(step).not.toHaveProperty("principal");
  expect(decodeJwt(await jwtOf(step))).not.toHaveProperty("principal");
  expect(issuer.asked).toEqual([]);
});

test("whoever may not open for the agent makes nobody ask an issuer", async () => {
  const { open, token, issuer, writer } = await scene();
  await expect(open(writer, { principalToken: token() })).rejects.toEqual(refusal("NOT_ENTITLED", "may not open"));
  expect(issuer.asked).toEqual([]);
});

test("a token where no issuer is configured is refused, naming the field", async () => {
  const { broker, attested, requestOf, runtime, token } = await scene();
  const caller = await attested(runtime);
  for (const own of [{}, { requestId: "r" }]) {
    await expect(openStep(caller, requestOf({ principalToken: token(), ...own }), broker.ports)).rejects.toEqual(
      refusal("INVALID_FIELD", "principal_token: absent"),
    );
  }
});

describe("while the issuer does not answer", () => {
  test("nobody else waits, and the step is refused once it is known that it can't be reached", async () => {
    const { open, token, issuer, runtime, clock } = await scene();
    const asked = Promise.withResolvers<void>();
    issuer.answerBy(() => asked.resolve());
    const waiting = open(runtime, { principalToken: token() }).catch((thrown: unknown) => thrown);
    await asked.promise;
    expect(await open(runtime)).toMatchObject({ state: "OPEN" });
    clock.advance(5_000);
    expect(await waiting).toEqual(refusal("NOT_SERVING", "the keys of the principal's issuer can't be had now"));
  });
});

describe("a delegated step", () => {
  test("works for whom its parent works for, by the parent's claims, with a token of the same or none", async () => {
    const { open, child, token, known, runtime } = await scene();
    const parent = await open(runtime, { principalToken: token() });
    const without = await child(parent);
    const same = await child(parent, { step: segment("other"), principalToken: token({ department: "sales" }) });
    for (const step of [without, same]) {
      expect(step.principal).toEqual(parent.principal);
      expect(await known(step)).toMatchObject({ sub: ADA, claims: { department: "department-of-engines" } });
    }
  });

  test("is refused with a token of another, and where its parent works for nobody", async () => {
    const { open, child, token, runtime } = await scene();
    const parent = await open(runtime, { principalToken: token() });
    await expect(child(parent, { principalToken: token({ sub: "bob" }) })).rejects.toEqual(
      refusal("DELEGATION_REFUSED", "the parent step works for another principal"),
    );
    const nobodys = await open(runtime);
    await expect(child(nobodys, { principalToken: token() })).rejects.toEqual(
      refusal("DELEGATION_REFUSED", "the parent step works for nobody"),
    );
  });
});

test("a step that works for somebody can be delegated by a token, and by none once that somebody was erased", async () => {
  const { open, token, ports, attested, runtime, idOf } = await scene();
  const parent = await open(runtime, { principalToken: token() });
  const order = { stepId: parent.stepId, runtime: segment("flow"), uses: 1 };
  const { svid } = await issueDelegationToken(await attested(runtime), order, ports);
  const parentToken = Buffer.from(svid).toString("latin1");
  expect(decodeJwt(parentToken)).not.toHaveProperty("principal");
  const child = await open(runtime, { parentToken, runId: parent.runId, step: segment("child") });
  expect(child.principal).toEqual(parent.principal);

  await ports.principals.erase(idOf(ADA));
  await expect(issueDelegationToken(await attested(runtime), order, ports)).rejects.toEqual(
    refusal("NOT_ENTITLED", "whom the step works for was erased"),
  );
});

describe("a repeated request", () => {
  test("with a newer token of the same principal is answered with the same step, and no issuer has to answer", async () => {
    const { open, token, issuer, runtime } = await scene();
    const request = { requestId: "r", runId: segment("run") };
    const step = await open(runtime, { ...request, principalToken: token() });
    await issuer.stop();
    expect((await open(runtime, { ...request, principalToken: token() })).stepId).toBe(step.stepId);
  });

  test.for([
    { what: "with the token of another", principalToken: (token: (claims: Json) => string) => token({ sub: "bob" }) },
    { what: "without a token", principalToken: () => undefined },
  ])("$what is another request", async ({ principalToken }) => {
    const { open, token, runtime } = await scene();
    const request = { requestId: "r", runId: segment("run") };
    await open(runtime, { ...request, principalToken: token() });
    const other = principalToken(token);
    await expect(
      open(runtime, { ...request, ...(other === undefined ? {} : { principalToken: other }) }),
    ).rejects.toEqual(refusal("REQUEST_ID_REUSED", "a different request"));
  });
});

test("a token opens any number of steps while it is valid, and one where the issuer is configured so", async () => {
  const often = await scene();
  const again = often.token();
  await often.open(often.runtime, { principalToken: again });
  await often.open(often.runtime, { principalToken: again });

  const once = await scene({ singleUse: true });
  const principalToken = once.token();
  await once.open(once.runtime, { principalToken });
  await expect(once.open(once.runtime, { principalToken })).rejects.toEqual(
    refusal("INVALID_FIELD", "principal_token: a token that was not used before"),
  );
});

test("an offboarded principal is refused whatever token they have, and the refusal is a recorded decision", async () => {
  const { open, token, offboard, store, runtime } = await scene();
  const step = await open(runtime, { principalToken: token() });
  await offboard(ADA);
  expect(await store.steps.step(step.stepId)).toMatchObject({ state: "REVOKED" });
  await expect(open(runtime, { principalToken: token() })).rejects.toEqual(
    refusal("NOT_ENTITLED", "the principal was offboarded"),
  );
  const [decision] = await store.history.decisions({ effect: "deny", limit: 1 });
  expect(decision).toMatchObject({ act: "open", reason: "NOT_ENTITLED", message: "the principal was offboarded" });
  await open(runtime, { principalToken: token({ sub: "bob" }) });
});

test("somebody who is offboarded after the decision, and before the step is recorded, gets no step", async () => {
  const { open, token, offboard, onAct, runtime, store, idOf } = await scene();
  const offboarded: Promise<unknown>[] = [];
  onAct(({ act }) => {
    if (act === "open-step") offboarded.push(offboard(ADA));
  });
  await expect(open(runtime, { principalToken: token() })).rejects.toEqual(refusal("NOT_ENTITLED", "offboarded"));
  await Promise.all(offboarded);
  expect(await store.registry.principal(idOf(ADA))).toMatchObject({ openSteps: 0, offboardedAt: expect.any(Number) });
});

test("for somebody who was barred before they came nothing is sealed", async () => {
  const { open, token, offboard, runtime, sealed } = await scene();
  await offboard(ADA);
  await expect(open(runtime, { principalToken: token() })).rejects.toEqual(refusal("NOT_ENTITLED", "offboarded"));
  expect(sealed()).toBe(0);
});

test("of a principal whose key is gone nothing is issued, and nothing is opened below their steps", async () => {
  const { open, child, token, ports, jwtOf, idOf, runtime } = await scene();
  const step = await open(runtime, { principalToken: token() });
  await ports.principals.erase(idOf(ADA));
  await expect(jwtOf(step)).rejects.toEqual(refusal("NOT_ENTITLED", "whom the step works for was erased"));
  await expect(child(step)).rejects.toEqual(refusal("NOT_ENTITLED", "whom the step works for was erased"));
});

test("a token that another key signed opens nothing, and says nothing of whom it was", async () => {
  const { open, issuer, clock, recorded, runtime } = await scene();
  const forged = { ...key, ...generateKeyPairSync("ec", { namedCurve: "P-256" }) };
  const now = secondsOf(clock.now());
  const claims = JSON.stringify({ iss: issuer.url, sub: "mallory", aud: AUDIENCE, iat: now, exp: now + 300 });
  const principalToken = forge(JSON.stringify({ alg: "ES256", kid: key.kid }), claims, signature(forged, "ES256"));
  await expect(open(runtime, { principalToken })).rejects.toEqual(refusal("INVALID_FIELD", "that its issuer signed"));
  expect(await recorded()).not.toContain("mallory");
});

describe("ratchet: principal", () => {
  const CUSTOMER = [{ ...READ, datatypes: ["customer"] }];
  const WRITING = { agent: segment("clerk"), grant: [WRITE] };

  /** The baseline in force, by which what a principal's runs were granted counts in all of them. */
  async function ratchetScene() {
    const paths = await scene({ engine: createCedarEngine() });
    const { policies } = await readPolicies({ baseline: true });
    const classes = { internal: { sensitivity: "ordinary", securityDomain: [] } } as const;
    const set = { policies, dataClasses: { ratchet: "principal", classes } } as const;
    const by = OPERATOR;
    const order = { act: "put-policy-set", set, origin: "api", activates: { reason: "test" }, by } as const;
    await paths.store.ledger.perform({ ...order, now: paths.clock.now() });
    await paths.enter({
      ...{ kind: "agent", name: "clerk", selectors: ["unix:uid:33"], mayOpen: true, allowAnyExecutor: true },
      ceiling: [READ, WRITE, ...CUSTOMER],
    });
    const clerk = paths.kernel.start(33);
    const open = (runId: string, step: string, own: Partial<OpenRequest> = {}) =>
      paths.open(clerk, { agent: segment("clerk"), runId: segment(runId), step: segment(step), ...own });
    const stateOf = async ({ stepId }: Step) => (await paths.store.steps.step(stepId))?.state;
    const restricted = (runId: string) => open(runId, "reads", { grant: CUSTOMER, principalToken: paths.token() });
    return { ...paths, open, stateOf, restricted };
  }

  const denied = expect.objectContaining({ code: "POLICY_DENIED" });

  test("attack: a step that names nobody, in a run that has worked for somebody, to write what they have read elsewhere", async () => {
    const { open, token, restricted, store, idOf } = await ratchetScene();
    await open("mail", "reads", { principalToken: token() });
    await restricted("customers");
    await expect(open("mail", "writes", WRITING)).rejects.toEqual(denied);
    await open("another", "writes", WRITING);
    const [decision] = await store.history.decisions({ effect: "deny", limit: 1 });
    expect(decision?.situation).toMatchObject({ facts: { classes: ["customer", "internal"], steps: 2 } });
    expect((await open("mail", "more")).factScopes).toEqual(["run:mail", `principal:${idOf(ADA)}`]);
  });

  test("attack: the step is opened first, and ends in the act that grants the restricted class in another run", async () => {
    const { open, token, restricted, stateOf } = await ratchetScene();
    const before = await open("mail", "writes", WRITING);
    const elsewhere = await open("another", "writes", WRITING);
    const below = await open("below", "writes", { ...WRITING, parentStepId: before.stepId });
    await open("mail", "reads", { principalToken: token() });
    expect(await stateOf(before)).toBe("OPEN");
    await restricted("customers");
    expect(await stateOf(before)).toBe("REVOKED");
    expect(await stateOf(below)).toBe("REVOKED");
    expect(await stateOf(elsewhere)).toBe("OPEN");
  });

  test("attack: the run below it names nobody, and what is read there counts for the principal", async () => {
    const { open, token } = await ratchetScene();
    await open("mail", "reads", { principalToken: token() });
    const nobodys = await open("mail", "passes-on", { grant: CUSTOMER });
    await open("below", "reads", { grant: CUSTOMER, parentStepId: nobodys.stepId });
    await expect(open("below", "writes", WRITING)).rejects.toEqual(denied);
    await expect(open("third", "writes", { ...WRITING, principalToken: token() })).rejects.toEqual(denied);
  });

  test("attack: both at once: whichever comes first, no step that writes is left", async () => {
    const { open, token, restricted, store } = await ratchetScene();
    await restricted("customers");
    await Promise.allSettled([
      open("mail", "writes", WRITING),
      open("mail", "reads", { principalToken: token() }),
      open("mail", "writes-too", WRITING),
    ]);
    const { value } = await store.projections.openSteps();
    expect(value.map(({ step }) => step)).toEqual(["reads", "reads"]);
  });

  test("the run's steps before count for the principal too, and what was decided on the run is outdated", async () => {
    const { open, token, store } = await ratchetScene();
    await open("mail", "first");
    const [before] = (await store.steps.world(["run:mail"], [], "principal")).facts;
    await open("mail", "reads", { principalToken: token() });
    const { facts, together } = await store.steps.world(["run:mail"], [], "principal");
    expect(facts.map(({ scope }) => scope)).toEqual(["run:mail", expect.stringMatching(/^principal:/)]);
    expect(facts[0]?.version).toBe((before?.version ?? 0) + 1);
    expect(together).toEqual({ stepsOpen: 2, steps: 2 });
  });
});
