import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { BrokerError } from "../../../src/domain/errors.ts";
import { Outcome } from "../../../src/gen/stint/v1/steps_pb.js";
import { StepState } from "../../../src/gen/stint/v1/types_pb.js";
import { type Script, scriptedBroker } from "../../sdk/runtime/scripted-broker.ts";
import { type Running, run, scratch } from "./scene.ts";

// What comes between a step that is open and a command that has its first tokens.

type Broker = Awaited<ReturnType<typeof scriptedBroker>>;

async function runAt(meanwhile: (broker: Broker, ran: Running) => void) {
  const proof = join(scratch(), "ran");
  const script: Script = { jwtSvid: () => meanwhile(broker, ran) };
  const broker = await scriptedBroker(script);
  const ran: Running = run(broker.socket, ["touch", proof], { step: "s" });
  const status = await ran.exited;
  expect(existsSync(proof)).toBe(false);
  return { status, err: ran.err(), closed: broker.seen.closed.map(({ outcome }) => outcome) };
}

test("a signal cancels the step, though the broker still can't give a token", async () => {
  let isAsked = false;
  const { status, err, closed } = await runAt((_, ran) => {
    // Once: by the time that it is asked for the other token, `stint` may be on its way out, and die of a second signal.
    if (!isAsked) ran.child.kill("SIGTERM");
    isAsked = true;
    throw new BrokerError("NOT_SERVING", "not now");
  });
  expect([status, err]).toEqual([1, "stint: the step is CANCELLED: interrupted (SIGTERM); the command has not run\n"]);
  expect(closed).toEqual([Outcome.CANCELLED]);
});

test("a refusal of a token is what is said, and the step is cancelled rather than left to be abandoned", async () => {
  const { status, err, closed } = await runAt(() => {
    throw new BrokerError("GRANT_EXCEEDED", "above the step's grant");
  });
  expect([status, err]).toEqual([1, "stint: GRANT_EXCEEDED: above the step's grant; the command has not run\n"]);
  expect(closed).toEqual([Outcome.CANCELLED]);
});

test("a step that ends meanwhile is told of by its own end, and is not closed again", async () => {
  const { status, err, closed } = await runAt((broker) => {
    broker.end("step_1", StepState.REVOKED);
    throw new BrokerError("NOT_SERVING", "not now");
  });
  expect(status).toBe(1);
  expect(err).toMatch(/^stint: the step is REVOKED: [^\n]*; the command has not run\n$/);
  expect(closed).toEqual([]);
});
