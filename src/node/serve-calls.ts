import { createHash } from "node:crypto";
import type { DescMethod } from "@bufbuild/protobuf";
import { type StatusObject, status } from "@grpc/grpc-js";
import { BrokerError } from "../domain/errors.ts";
import type { NodeReport } from "../domain/node-report.ts";
import { formatProcess, type ProcessIdentity } from "../domain/process.ts";
import { SecretDiscoveryService } from "../gen/envoy/service/secret/v3/sds_pb.js";
import { SpiffeWorkloadAPI } from "../gen/spiffe/workload/workload_pb.js";
import type { Peer } from "../ports/attestor.ts";
import type { Cancel } from "../ports/clock.ts";
import { backoff } from "../sdk/runtime/backoff.ts";
import { callErrorOf } from "../wire/call-error.ts";
import { methodDefinitionOf, type RawHandler } from "../wire/service-definition.ts";
import { serviceErrorOf } from "../wire/service-error.ts";
import { errorOf, type Incoming, metadataFor, type Outgoing, openOutgoing, pipeOn, whenGone } from "./forward.ts";
import { type AnswerKind, createKeptAnswers, type KeptAnswers } from "./kept-answers.ts";
import { type LocalCallerPorts, namedIn, reportOf } from "./local-caller.ts";
import { createOwnKeys, type KindOfSvids } from "./own-keys.ts";
import { openNodeSvidStream } from "./svid-stream.ts";
import { AGAIN_AFTER, type Upstream } from "./upstream.ts";

export type ServeCallsPorts = LocalCallerPorts & {
  readonly peerOf: (call: { getPeer(): string }) => Peer;
  readonly upstream: Upstream;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Resolves after this many milliseconds, or as soon as the broker may be back. */
  readonly pause: (ms: number) => Promise<void>;
};

const { fetchX509SVID, fetchX509Bundles, fetchJWTSVID, fetchJWTBundles, fetchWITSVID, fetchWITBundles } =
  SpiffeWorkloadAPI.method;
const { streamSecrets, fetchSecrets } = SecretDiscoveryService.method;
const pathOf = (method: DescMethod) => methodDefinitionOf(method).path;

/** Streams that last as long as their clients, whatever becomes of the broker meanwhile: what is served of each. */
const KEPT_STREAMS: Readonly<Record<string, { readonly svids?: KindOfSvids; readonly answer?: AnswerKind }>> = {
  [pathOf(fetchX509SVID)]: { svids: "x509", answer: "x509-svids" },
  [pathOf(fetchX509Bundles)]: { answer: "bundles" },
  [pathOf(fetchJWTBundles)]: { answer: "bundles" },
  [pathOf(fetchWITSVID)]: { svids: "wit", answer: "wit-svids" },
  [pathOf(fetchWITBundles)]: { answer: "bundles" },
  [pathOf(streamSecrets)]: { svids: "secrets" },
};
const FETCH_JWT_SVID = pathOf(fetchJWTSVID);
const FETCH_SECRETS = pathOf(fetchSecrets);

/** Serves the calls of the machine's processes: each is attested here and sent on, with what was found out of who calls. */
export function serveCalls(ports: ServeCallsPorts): RawHandler {
  const kept = createKeptAnswers(ports.now);
  const watched = new Map<string, Cancel>();

  /** Nothing is kept for a process that has ended. */
  function keep(process: ProcessIdentity, question: string, answer: Buffer): void {
    const name = formatProcess(process);
    if (!watched.has(name)) {
      const gone = () => {
        watched.delete(name);
        kept.forget(name);
      };
      watched.set(name, ports.watch.watch(process, gone));
    }
    kept.keep(name, question, answer);
  }

  return (path) => (call) => {
    call.once("data", (first: Buffer) => {
      // What follows waits until the caller is known.
      call.pause();
      serve(path, call, first).catch((thrown: unknown) => call.emit("error", answerOf(thrown)));
    });
  };

  async function serve(path: string, call: Incoming, first: Buffer): Promise<void> {
    const look = () => reportOf(ports.peerOf(call), namedIn(path, first), ports);
    const report = await look();
    const stream = KEPT_STREAMS[path];
    const question = { path, report, look };
    if (stream !== undefined) return serveStream(call, first, question, stream, { ...ports, kept, keep });
    if (path === FETCH_JWT_SVID) return serveTokens(call, first, question, { ...ports, kept, keep });
    if (path === FETCH_SECRETS) return serveSecrets(call, first, question, ports);
    const outgoing = openOutgoing(await channelOf(ports), path, metadataFor(call, report), () => call.getDeadline());
    pipeOn(call, outgoing, first);
    call.resume();
  }
}

type Keeping = ServeCallsPorts & {
  readonly kept: KeptAnswers;
  readonly keep: (process: ProcessIdentity, question: string, answer: Buffer) => void;
};

type Question = {
  readonly path: string;
  readonly report: NodeReport;
  readonly look: () => Promise<NodeReport>;
};

/** What was asked, by whom: a process with another program gets no answer of the one before. */
function questionOf(path: string, request: Buffer, { caller }: NodeReport): string {
  const hash = createHash("sha256")
    .update(path)
    .update("\0")
    .update([...caller.selectors].toSorted().join("\n"));
  return hash.update("\0").update(request).digest("base64");
}

/** One answer, or what is still good of the last while the broker is away. */
async function serveTokens(call: Incoming, first: Buffer, asked: Question, ports: Keeping): Promise<void> {
  const { process } = asked.report.caller;
  const name = questionOf(asked.path, first, asked.report);
  let answer: Buffer | undefined;
  try {
    const outgoing = openOutgoing(await channelOf(ports), asked.path, metadataFor(call, asked.report), () =>
      call.getDeadline(),
    );
    whenGone(call, () => outgoing.cancel());
    outgoing.end(first);
    answer = await onlyMessage(messagesOf(outgoing));
    ports.keep(process, name, answer);
  } catch (thrown) {
    if (!isAway(thrown)) throw thrown;
    answer = ports.kept.get(formatProcess(process), name, "jwt-svids");
    if (answer === undefined) throw thrown;
  }
  call.write(answer);
  call.end();
}

/** One answer, whose keys are made here. Who asks so asks again, and has kept what it was given. */
async function serveSecrets(call: Incoming, first: Buffer, { report, look }: Question, ports: ServeCallsPorts) {
  const opened = openNodeSvidStream(await channelOf(ports), "secrets once", report, { keys: createOwnKeys(), look });
  whenGone(call, opened.cancel);
  try {
    opened.send(first);
    call.write(await onlyMessage(opened.responses));
    call.end();
  } finally {
    opened.cancel();
  }
}

/**
 * A stream that goes on while the broker is away. It ends when the broker refuses it; until the broker says anything, it has
 * what the process was given last.
 */
async function serveStream(
  call: Incoming,
  first: Buffer,
  asked: Question,
  stream: (typeof KEPT_STREAMS)[string] & {},
  ports: Keeping,
): Promise<void> {
  const process = formatProcess(asked.report.caller.process);
  const keys = createOwnKeys();
  let isOver = false;
  let newest = first;
  let name = questionOf(asked.path, first, asked.report);
  let isGiven = false;
  let open: { send(request: Buffer): void; cancel(): void } | undefined;
  const finish = () => {
    isOver = true;
    open?.cancel();
  };
  whenGone(call, finish);
  call.on("data", (request: Buffer) => {
    newest = request;
    open?.send(request);
  });
  call.once("end", () => {
    // Envoy ends the stream that it has no more use for; other clients end their side with the request.
    if (stream.svids !== "secrets") return;
    finish();
    call.end();
  });
  call.resume();

  const pauses = backoff(AGAIN_AFTER);
  while (!isOver) {
    try {
      const opened = await opening();
      open = opened;
      if (isOver) return opened.cancel();
      for await (const answer of opened.responses) {
        if (isOver) return;
        pauses.reset();
        isGiven = true;
        if (stream.answer !== undefined) ports.keep(asked.report.caller.process, name, answer);
        call.write(answer);
      }
    } catch (thrown) {
      if (isOver) return;
      if (!isAway(thrown)) throw thrown;
      giveKept(thrown);
    } finally {
      open?.cancel();
      open = undefined;
    }
    await ports.pause(pauses.next());
  }

  async function opening() {
    const channel = await channelOf(ports);
    // As it is now: while the broker was away, the process may have become another.
    const report = await asked.look();
    name = questionOf(asked.path, first, report);
    if (stream.svids === undefined) {
      const outgoing = openOutgoing(channel, asked.path, metadataFor(call, report), () => Number.POSITIVE_INFINITY);
      outgoing.end(newest);
      return { send: () => undefined, cancel: () => outgoing.cancel(), responses: messagesOf(outgoing) };
    }
    const opened = openNodeSvidStream(channel, stream.svids, report, { keys, look: asked.look });
    opened.send(newest);
    return opened;
  }

  function giveKept(thrown: unknown): void {
    if (isGiven) return;
    const answer = stream.answer === undefined ? undefined : ports.kept.get(process, name, stream.answer);
    // Envoy waits by itself for its first secrets.
    if (answer === undefined && stream.answer !== undefined) throw thrown;
    if (answer !== undefined) call.write(answer);
    isGiven = true;
  }
}

async function channelOf({ upstream }: Pick<ServeCallsPorts, "upstream">) {
  try {
    return await upstream.channel();
  } catch (cause) {
    throw new BrokerError("NOT_SERVING", "the node has no X.509-SVID of its own: the broker refuses it, or is away", {
      cause,
    });
  }
}

/** Whether nobody decided anything: the broker is not there, or does not know this node yet. */
function isAway(thrown: unknown): boolean {
  if (thrown instanceof BrokerError) return thrown.code === "NOT_SERVING";
  return callErrorOf(thrown).code === status.UNAVAILABLE;
}

/** What the broker said, as it said it; otherwise that it is away. */
function answerOf(thrown: unknown): Error {
  if (thrown instanceof BrokerError) return serviceErrorOf(thrown);
  const failure = thrown instanceof Error && "code" in thrown && thrown.cause !== undefined ? thrown.cause : thrown;
  return isTold(failure) ? errorOf(failure) : serviceErrorOf(thrown);
}

function isTold(failure: unknown): failure is StatusObject {
  return failure instanceof Error && "code" in failure && "details" in failure && "metadata" in failure;
}

async function* messagesOf(outgoing: Outgoing): AsyncGenerator<Buffer> {
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined);
  outgoing.on("error", () => undefined);
  outgoing.once("status", (told) => {
    if (told.code !== 0) failed.reject(errorOf(told));
  });
  for await (const message of outgoing.iterator({ destroyOnReturn: false })) yield message as Buffer;
  await Promise.race([failed.promise, Promise.resolve()]);
}

async function onlyMessage(messages: AsyncIterable<Buffer>): Promise<Buffer> {
  for await (const message of messages) return message;
  throw new BrokerError("NOT_SERVING", "the broker gave no answer");
}
