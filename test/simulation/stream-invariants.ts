import { microsOf } from "../../src/domain/time.ts";
import { ISSUER, OPERATOR } from "./broker.ts";
import type { ModelStep } from "./model-history.ts";
import { note, promise } from "./model-history.ts";
import type { ModelStream } from "./model-streams.ts";
import { type EventReceiver, entryOf, type GotEvent, poll, streamOf } from "./receivers.ts";
import type { World } from "./world.ts";

/** Longer than the longest wait before something is sent again. */
const SENT_AGAIN_MS = 310_000;

type Claims = {
  readonly iss: string;
  readonly aud: string;
  readonly sub_id: { readonly session?: { readonly id: string }; readonly jti?: string; readonly id?: string };
};

/** Receivers were told of what ended, of all of it in its order, and of nothing else. */
export function checkStreams(world: World): void {
  const { model, receivers } = world;
  for (const one of receivers) for (const got of one.news.splice(0)) checkGot(got, one, world);
  for (const stream of model.streams.all.values()) {
    const one = receiverOf(stream, world);
    const lost = endsFor(stream, world).filter(
      ({ step, sequence }) => sequence <= stream.delivered && !one.told.has(step),
    );
    promise(lost.length === 0, "what is on record as delivered was taken by its receiver");
  }
}

function checkGot({ token, streamId }: GotEvent, one: EventReceiver, world: World): void {
  const { model } = world;
  const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as Claims;
  const { iss, aud, sub_id: subject } = claims;
  promise(iss === ISSUER && aud.endsWith(`/verifier/${one.verifier}`), "what is sent is the receiver's own");
  const step = subject.session?.id;
  if (step === undefined) {
    const name = subject.jti ?? subject.id;
    const taken = [...model.credentials.values()].find(({ record }) =>
      [record.jti, record.serialNumber].includes(name),
    );
    promise(taken?.revoked !== undefined, "no credential is said to be taken back that was not");
    return;
  }
  const { closed } = model.steps.get(step) ?? {};
  promise(closed !== undefined, "no step is said to have ended that goes on");
  note(model, one.told.has(step) ? "end told again" : "end told");
  if (one.told.has(step)) return;
  one.told.add(step);
  const stream = model.streams.all.get(streamId ?? "");
  if (stream === undefined) return;
  promise(closed.sequence > stream.first, "nothing is told of what ended before there was a stream");
  const missed = endsFor(stream, world).filter((end) => end.sequence < closed.sequence && !one.told.has(end.step));
  promise(missed.length === 0, "of ends the earlier is told first");
}

/** Whoever takes what is sent is told of every end, whatever becomes of others. */
export async function checkStreamsInTheEnd(world: World): Promise<void> {
  for (const one of world.receivers.toReversed()) {
    one.answers = ["takes"];
    // One that was disabled is enabled again, of which nothing else tells those who send.
    if (entryOf(world, one) === undefined) await enabled(one, world);
    // What hangs fails first, and is sent again then.
    for (const ms of [1_000, SENT_AGAIN_MS, SENT_AGAIN_MS]) {
      world.clock.advance(ms);
      await world.rest();
    }
    for (let more = 1; more > 0; ) {
      more = await poll(world, one, { request: { ack: [...one.unacknowledged] }, isLost: false });
    }
    checkStreams(world);
    const stream = world.model.streams.all.get(streamOf(world, one)?.streamId ?? "");
    if (stream?.status !== "enabled") continue;
    const missed = endsFor(stream, world).filter(({ step }) => !one.told.has(step));
    promise(missed.length === 0, `every end is told to whoever has a stream: ${one.verifier}`);
    note(world.model, "stream that has all");
  }
}

async function enabled({ verifier }: EventReceiver, world: World): Promise<void> {
  await world.answered(world.broker.registry.enable(`verifier/${verifier}`, OPERATOR));
  note(world.model, "receiver enabled again");
}

function receiverOf({ entryId }: ModelStream, { model, receivers }: World): EventReceiver {
  const one = receivers.find(({ verifier }) => verifier === model.entries.get(entryId)?.content.name);
  promise(one !== undefined, "streams are of receivers");
  return one;
}

/** Steps that ended while the stream was there, and whose credentials its receiver could have been shown then. */
function endsFor({ entryId, begin }: ModelStream, { model }: World) {
  const content = model.entries.get(entryId)?.content;
  const audiences: readonly string[] = content?.kind === "verifier" ? content.audiences : [];
  const shown = new Set(
    [...model.credentials.values()].flatMap(({ record, stepId, undelivered, revoked }) => {
      const { closed } = model.steps.get(stepId) ?? {};
      const isAlone = revoked !== undefined && revoked.sequence !== closed?.sequence;
      if (closed === undefined || undelivered || isAlone || microsOf(record.expiresAt) <= closed.at) return [];
      const isFor = record.audiences.length === 0 || record.audiences.some((one) => audiences.includes(one));
      return isFor && record.delegation === undefined ? [stepId] : [];
    }),
  );
  return [...model.steps.values()].flatMap(({ step, closed }: ModelStep) =>
    closed !== undefined && closed.sequence > begin && shown.has(step.stepId)
      ? [{ step: step.stepId, sequence: closed.sequence }]
      : [],
  );
}
