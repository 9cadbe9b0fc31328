import { expect, test } from "vitest";
import { createSessions } from "../../../src/sdk/mcp-guard/sessions.ts";
import { VerificationError, type VerifiedStep } from "../../../src/sdk/verifier/index.ts";

const stepNamed = (name: string, agent = "a") =>
  ({ spiffeId: name, step: { agent: `spiffe://example.org/agent/${agent}`, runId: "r1" } }) as unknown as VerifiedStep;

/** What a verifier's `signalFor` is to the sessions. */
function watches() {
  const controllers: AbortController[] = [];
  let disposed = 0;
  const signalFor = () => {
    const controller = new AbortController();
    controllers.push(controller);
    const dispose = () => {
      disposed += 1;
    };
    return { signal: controller.signal, [Symbol.dispose]: dispose };
  };
  return { controllers, signalFor, disposed: () => disposed };
}

const ENDED = new VerificationError("REVOKED", "the step has ended", { state: "COMPLETED", reason: "superseded" });
const TOKEN_REVOKED = new VerificationError("REVOKED", "the credential was revoked", { reason: "superseded" });

test("the sessions of a step are forgotten when it ends, all with one watch", () => {
  const { signalFor, controllers } = watches();
  const sessions = createSessions(signalFor, "step");
  const step = stepNamed("one");
  sessions.bind("s1", step);
  sessions.bind("s2", step);
  expect([sessions.isOf("s1", step), sessions.isOf("s2", step), controllers.length]).toEqual([true, true, 1]);
  controllers[0]?.abort(ENDED);
  expect([sessions.isOf("s1", step), sessions.isOf("s2", step), sessions.size]).toEqual([false, false, 0]);
});

test("a token that is revoked alone leaves them, and the step's next token is watched", () => {
  const { signalFor, controllers, disposed } = watches();
  const sessions = createSessions(signalFor, "step");
  const step = stepNamed("one");
  sessions.bind("s1", step);
  controllers[0]?.abort(TOKEN_REVOKED);
  expect([sessions.isOf("s1", step), controllers.length]).toEqual([true, 2]);
  controllers[1]?.abort(ENDED);
  expect(sessions.isOf("s1", step)).toBe(false);
  // Each was watched under several names, and told under one.
  expect(disposed()).toBe(2);
});

test("a session of a run is not forgotten with the step that opened it", () => {
  const { signalFor, controllers } = watches();
  const sessions = createSessions(signalFor, "run");
  sessions.bind("s1", stepNamed("one"));
  for (const controller of controllers) controller.abort(ENDED);
  expect(sessions.isOf("s1", stepNamed("two"))).toBe(true);
});

test("a session that its server has ended takes its watch along, if it was the last", () => {
  const { signalFor, disposed } = watches();
  const sessions = createSessions(signalFor, "step");
  for (const id of ["s1", "s2"]) sessions.bind(id, stepNamed("one"));
  sessions.forget("s1");
  expect([disposed(), sessions.size]).toEqual([0, 1]);
  sessions.forget("s2");
  expect([disposed(), sessions.size]).toEqual([1, 0]);
});

test("a session stays whose it is when its id is given out again", () => {
  const sessions = createSessions(watches().signalFor, "step");
  sessions.bind("s1", stepNamed("one"));
  sessions.bind("s1", stepNamed("two"));
  expect([sessions.isOf("s1", stepNamed("one")), sessions.isOf("s1", stepNamed("two"))]).toEqual([true, false]);
});

test("of too many the one goes that was idle longest, with the watch of its step", () => {
  const { signalFor, disposed } = watches();
  const sessions = createSessions(signalFor, "step");
  const step = (opened: number) => stepNamed(`step ${opened}`, `of ${opened % 5}`);
  for (let opened = 0; opened < 10_001; opened += 1) sessions.bind(`s${opened}`, step(opened));
  expect([sessions.size, disposed()]).toEqual([10_000, 1]);
  expect(sessions.isOf("s0", step(0))).toBe(false);
  expect(sessions.isOf("s1", step(1))).toBe(true);
});

test("an agent that opens them without end puts out its own, and no other's", () => {
  const { signalFor, disposed } = watches();
  const ended: string[] = [];
  const sessions = createSessions(signalFor, "step", (id) => ended.push(id));
  const other = stepNamed("other", "b");
  sessions.bind("of another", other);
  for (let opened = 0; opened < 12_000; opened += 1) sessions.bind(`s${opened}`, stepNamed(`step ${opened}`));
  expect([sessions.size, disposed(), ended.length]).toEqual([2_501, 9_500, 9_500]);
  expect(sessions.isOf("of another", other)).toBe(true);
  expect(sessions.isOf("s9499", stepNamed("step 9499"))).toBe(false);
  expect(sessions.isOf("s9500", stepNamed("step 9500"))).toBe(true);
});
