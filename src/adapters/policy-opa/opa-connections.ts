import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { BrokerError } from "../../domain/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { OpaAnswer } from "./opa-decision.ts";
import { opaSilent } from "./opa-silent.ts";
import { createTurns } from "./opa-turns.ts";

/** How OPA is recognised, and what shows OPA who asks. */
export type OpaCredentials = {
  /** CA certificates, PEM, that vouch for OPA's host; absent: those that Node.js has. */
  readonly ca?: string;
  /** The client's certificate and private key, PEM. */
  readonly client?: { readonly certificate: string; readonly privateKey: string | Buffer };
  /** Bearer token. */
  readonly token?: string;
};

export type OpaConnections = {
  /**
   * @throws BrokerError NOT_SERVING where there is no answer in time, or one that says that there may be one later
   */
  ask(body: Buffer): Promise<OpaAnswer>;
  close(): void;
};

/** Questions at once, each on a connection of its own: OPA evaluates as many as its machine has cores. */
const AT_ONCE_MAX = 64;
/** More than these could not be answered in the time limit anyway. */
const WAITING_MAX = 4_096;
/** A decision on 64 elements that names 64 policies takes 16 KiB. */
const ANSWER_BYTES_MAX = 128 * 1024;
/** "Too many requests", and what gateways and servers say that can't answer now. RFC 6585, RFC 9110 section 15.6. */
const LATER: readonly number[] = [429, 502, 503, 504];

/**
 * Connections to one OPA, kept open between questions. No proxy is asked, and no redirect followed: what is sent is for
 * the place that is configured.
 *
 * @param options.url - what is asked: https, or http to this machine; whoever configures it has made sure.
 * @param options.traceparent - of what is decided for, sent along where there is one.
 * @param options.credentials - as they are now. Connections made with others are not used again.
 */
export function openOpaConnections(options: {
  readonly url: URL;
  readonly timeoutMs: number;
  readonly credentials: () => OpaCredentials;
  readonly traceparent?: () => string | undefined;
  readonly clock: Pick<Clock, "schedule">;
}): OpaConnections {
  const { url, timeoutMs, clock } = options;
  const turns = createTurns({ atOnce: AT_ONCE_MAX, waiting: WAITING_MAX });
  const asking = new Set<AbortController>();
  let known: { readonly credentials: OpaCredentials; readonly agent: HttpAgent } | undefined;
  let isClosed = false;

  function current(): { readonly credentials: OpaCredentials; readonly agent: HttpAgent } {
    const credentials = options.credentials();
    if (known?.credentials === credentials) return known;
    if (known !== undefined) retire(known.agent);
    known = { credentials, agent: agentFor(url, credentials) };
    return known;
  }

  function send(body: Buffer, over: AbortSignal): ClientRequest {
    const { credentials, agent } = current();
    const traceparent = options.traceparent?.();
    const question = (url.protocol === "https:" ? httpsRequest : httpRequest)(url, {
      method: "POST",
      agent,
      signal: over,
      headers: {
        "content-type": "application/json",
        "content-length": body.length,
        accept: "application/json",
        "accept-encoding": "identity",
        ...(credentials.token === undefined ? {} : { authorization: `Bearer ${credentials.token}` }),
        ...(traceparent === undefined ? {} : { traceparent }),
      },
    });
    question.end(body);
    return question;
  }

  /** OPA may close a connection that nobody used at the moment in which it is used; asking twice changes nothing. */
  async function answerTo(body: Buffer, over: AbortSignal): Promise<IncomingMessage> {
    const question = send(body, over);
    try {
      return await headOf(question);
    } catch (thrown) {
      if (over.aborted || !question.reusedSocket) throw thrown;
      return headOf(send(body, over));
    }
  }

  return {
    async ask(body) {
      if (isClosed) throw opaSilent("the broker is stopping");
      const over = new AbortController();
      asking.add(over);
      const cancel = clock.schedule(timeoutMs, () => {
        over.abort(opaSilent(`no answer within ${timeoutMs} ms`));
        // What lies between may have forgotten connections without a word: nobody else is to find that out by waiting.
        if (known !== undefined) dropIdle(known.agent);
      });
      let turnIsOver: (() => void) | undefined;
      try {
        turnIsOver = await turns.take(over.signal);
        return await readAnswer(await answerTo(body, over.signal));
      } catch (thrown) {
        // An error that comes after the question was given up only follows from that.
        throw over.signal.aborted ? over.signal.reason : thrown;
      } finally {
        turnIsOver?.();
        cancel();
        asking.delete(over);
      }
    },

    close() {
      isClosed = true;
      for (const one of asking) one.abort(opaSilent("the broker is stopping"));
      known?.agent.destroy();
    },
  };
}

function agentFor(url: URL, { ca, client }: OpaCredentials): HttpAgent {
  const kept = { keepAlive: true, maxSockets: AT_ONCE_MAX, maxFreeSockets: AT_ONCE_MAX };
  if (url.protocol !== "https:") return new HttpAgent(kept);
  return new HttpsAgent({
    ...kept,
    // Stated here, since an environment variable could change the default.
    rejectUnauthorized: true,
    minVersion: "TLSv1.2",
    ...(ca === undefined ? {} : { ca }),
    ...(client === undefined ? {} : { cert: client.certificate, key: client.privateKey }),
  });
}

/** Questions that are under way keep their connections; no connection is kept after its answer. */
function retire(agent: HttpAgent): void {
  agent.maxFreeSockets = 0;
  dropIdle(agent);
}

function dropIdle(agent: HttpAgent): void {
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
}

async function readAnswer(answer: IncomingMessage): Promise<OpaAnswer> {
  const { statusCode: status = 0, headers } = answer;
  if (LATER.includes(status)) {
    answer.destroy();
    throw opaSilent(`answered ${status}`);
  }
  if ((headers["content-encoding"] ?? "identity").toLowerCase() !== "identity") {
    answer.destroy();
    return { status, body: "encoded" };
  }
  return { status, body: await bodyOf(answer) };
}

function headOf(question: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    question.once("response", resolve);
    question.on("error", (error: Error & { readonly code?: string }) => {
      reject(opaSilent(error.code === undefined ? error.message : `${error.code}: ${error.message}`));
    });
    // A connection may also close without an error, for example when the other end wants to speak another protocol.
    question.once("close", () => reject(opaSilent("broke off before its answer")));
  });
}

async function bodyOf(answer: IncomingMessage): Promise<OpaAnswer["body"]> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const part of answer) {
      parts.push(part);
      bytes += part.length;
      // Leaving the loop ends the answer, and its connection.
      if (bytes > ANSWER_BYTES_MAX) return "too_large";
    }
  } catch (thrown) {
    throw thrown instanceof BrokerError ? thrown : opaSilent("broke off its answer");
  }
  return Buffer.concat(parts);
}
