import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { certificateIn } from "../api/http/http-peers.ts";
import { runStint } from "../cli/running.ts";
import { describeWithPostgres } from "../postgres/server.ts";
import { callerAs } from "./as-user.ts";
import { READ_SEARCH, SEARCH } from "./entries.ts";
import { frontsOf } from "./front-ends.ts";
import { cableTo, FOR_NODES, NODE_ENTRIES, portOf, startNode } from "./node-scene.ts";
import { type OidcIssuer, startOidcIssuer } from "./oidc-issuer.ts";
import { OWN_ENTRIES } from "./one-user.ts";
import { becomes, type Pair, pairsOnOneLog, stateAt } from "./replica-pair.ts";
import { eventReceiver, ownSvid, send } from "./transmitting-broker.ts";

// Goal: what a broker on SQLite does beside issuing, two on one log do together: whom steps work for, front ends, nodes, security events.

const AUDIENCE = "https://broker.example.org";
const grant = { elements: [READ_SEARCH] };
const TIMEOUT_MS = 180_000;

describeWithPostgres("two brokers on one log", { timeout: TIMEOUT_MS }, () => {
  const { pair } = pairsOnOneLog();
  let issuer: OidcIssuer;
  let receiver: Awaited<ReturnType<typeof eventReceiver>>;
  let brokers: Pair;
  let directory: string;

  beforeAll(async () => {
    issuer = await startOidcIssuer();
    directory = mkdtempSync(join(tmpdir(), "stint-replicas-"));
    receiver = await eventReceiver(certificateIn(directory));
    const [agent, runtime, verifier, ...others] = OWN_ENTRIES;
    const own = NODE_ENTRIES.filter(
      ({ kind, name }) => kind === "node" || /-(one|two)$/.test(name) || kind === "operator",
    );
    brokers = await pair({
      entries: [agent, runtime, { ...verifier, events_url: receiver.url }, ...others, ...own],
      config: {
        ...FOR_NODES,
        workers: 1,
        principals: { issuers: [{ issuer: issuer.url, audience: AUDIENCE, claims: ["department"] }] },
        http: { listen: "127.0.0.1:0", own_svid: true },
        ssf: { transmit: true, roots: receiver.roots },
      },
    });
  }, TIMEOUT_MS);
  afterAll(async () => {
    await brokers?.[Symbol.asyncDispose]();
    receiver?.close();
    issuer?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test("each has front ends, which issue for steps of either by keys of their own broker", async () => {
    const { a, b } = brokers;
    const step = await a.runtime.open();
    await becomes(() => stateAt(b, step), "OPEN");
    const [ofA, ofB] = [await a.runtime.token(step, SEARCH), await b.runtime.token(step, SEARCH)];
    expect(decodeProtectedHeader(ofA).kid).not.toBe(decodeProtectedHeader(ofB).kid);
    for (const { daemon } of [a, b]) {
      await expect.poll(() => frontsOf(daemon, "Credentials.IssueJwtSvid").includes(1)).toBe(true);
    }
    await b.runtime.close(step);
    for (const { runtime } of [a, b]) {
      await expect(runtime.token(step, SEARCH)).rejects.toMatchObject({ reason: "STEP_CLOSED" });
    }
  });

  test("an operator of either sees both, and which leads", async () => {
    const { a, b } = brokers;
    for (const [at, own] of [
      [a, "a"],
      [b, "b"],
    ] as const) {
      const { out } = await runStint(["--operator-socket", at.daemon.operatorSocket, "status", "-o", "json"]);
      expect(JSON.parse(out)).toMatchObject({
        replicas: ["a", "b"].map((name) => ({ name, there: true, answers: name === own, leads: name === "a" })),
      });
    }
  });

  test("a principal is the same at both: named by what either issues, offboarded and erased by either for both", async () => {
    const { a, b } = brokers;
    const ada = { issuer: issuer.url, subject: "ada" };
    const principalToken = await issuer.token({ sub: "ada", department: "engines" }, AUDIENCE);
    const { step } = await a.runtime.steps.open({
      ...{ runId: "for-ada", step: "look-up", agent: "researcher", grant, principalToken },
    });
    if (step === undefined) throw new TypeError("no step in the answer");
    await becomes(() => stateAt(b, step), "OPEN");
    const principal = decodeJwt(await b.runtime.token(step, SEARCH))["principal"];
    expect(principal).toMatchObject({ iss: issuer.url, sub: "ada" });
    await b.operator.principals.offboard({ by: { case: "name", value: ada } });
    await expect(a.runtime.token(step, SEARCH)).rejects.toMatchObject({ reason: "STEP_CLOSED" });
    const again = a.runtime.steps.open({
      ...{ runId: "for-ada-2", step: "look-up", agent: "researcher", grant, principalToken },
    });
    await expect(again).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
    const subjectAt = async ({ operator }: typeof a) =>
      (await operator.history.listSteps({ filter: { stepId: step.stepId } })).steps[0]?.principal?.subject;
    expect(await subjectAt(a)).toBe("ada");
    await b.operator.principals.erase({ by: { case: "name", value: ada } });
    await becomes(() => subjectAt(a), "");
  });

  test("a node that goes from one broker to the other takes its steps along, and their executors' ends count there", async () => {
    const { a, b } = brokers;
    await using cable = await cableTo(portOf(b.daemon, "nodesPort"));
    await using node = await startNode(b.daemon, "one", {
      nodesPort: cable.port,
      bundle: (await send(b.daemon, "/spiffe-bundle.json")).body,
    });
    await using child = await callerAs({}, node.socket);
    const opened = await child.call("Steps", "open", { runId: "moves", step: "s", agent: "agent-one", grant } as never);
    const step: { readonly stepId: string } = opened.step;
    const token = () =>
      child.call("Credentials", "issueJwtSvid", { stepId: step.stepId, wanted: { audiences: [SEARCH] } });
    await token();
    const seen = node.log.length;
    cable.lead(portOf(a.daemon, "nodesPort"));
    await node.line("attended by the broker", seen);
    await becomes(() => stateAt(a, step), "OPEN");
    await token();
    await child[Symbol.asyncDispose]();
    await becomes(() => stateAt(a, step), "ABANDONED");
  });

  test("one pushes what ends at either, once; and the other does once that one is gone", async () => {
    const { a, b } = brokers;
    const client = await ownSvid(b.runtime.channel);
    const stream = { body: JSON.stringify({ delivery: { method: "urn:ietf:rfc:8935" } }) };
    expect((await send(b.daemon, "/ssf/stream", { ...stream, client })).status).toBe(201);
    const endedOf = () =>
      receiver.taken.flatMap((token) => {
        const { session } = (decodeJwt(token)["sub_id"] ?? {}) as { session?: { id: string } };
        return session === undefined ? [] : [session.id];
      });
    const [ofA, ofB] = [await a.runtime.open(), await b.runtime.open()];
    await a.runtime.close(ofA);
    await b.runtime.close(ofB);
    await expect.poll(() => endedOf().length, { timeout: 40_000 }).toBeGreaterThanOrEqual(2);
    expect(endedOf()).toEqual([ofA.stepId, ofB.stepId]);
    // How far the receiver is, is on record: whoever pushes next goes on from there.
    await becomes(async () => {
      const { events } = await b.operator.history.listEvents({ filter: { pageSize: 50 } });
      return events.some(({ type }) => type === "events.delivered");
    }, true);
    await a.daemon.kill();
    const after = await b.runtime.open();
    await b.runtime.close(after);
    await expect.poll(() => endedOf().at(-1), { timeout: 60_000 }).toBe(after.stepId);
    expect(endedOf()).toEqual([ofA.stepId, ofB.stepId, after.stepId]);
  });
});
