import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { ExchangeFailure } from "../../domain/exchange.ts";
import type { Clock } from "../../ports/clock.ts";

/** Where another system answers, and how it is recognised. */
export type Endpoint = {
  /** https, or http to this machine; whoever configures it has made sure. */
  readonly url: URL;
  /** CA certificates, PEM, that vouch for its host; absent: those that Node.js has. */
  readonly ca?: () => string | undefined;
  readonly clock: Pick<Clock, "schedule">;
};

export type Question = {
  readonly method: "GET" | "POST" | "LIST";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Whether the other side may have done something although no answer came. */
  readonly mayExist: boolean;
};

export type Answer = { readonly status: number; readonly text: string };

/** A step waits for it, and a close for its end: what takes longer is asked again later. */
const ANSWER_MS_MAX = 10_000;
/** Far above any token or lease. */
const ANSWER_BYTES_MAX = 256 * 1024;
const KIBIBYTE = 1_024;

/**
 * Asks once, on a connection of its own. No proxy is asked and no redirect followed: what is sent is for the place that is
 * configured.
 *
 * @returns what was answered, whatever its status, but for redirects.
 * @throws ExchangeFailure `unavailable`
 */
export async function ask({ url, ca, clock }: Endpoint, question: Question): Promise<Answer> {
  const over = new AbortController();
  let isSent = false;
  const cancel = clock.schedule(ANSWER_MS_MAX, () => over.abort());
  const failed = (what: string, detail?: string) =>
    new ExchangeFailure("unavailable", what, { mayExist: isSent && question.mayExist, detail });
  try {
    const answer = await answerTo();
    const { statusCode: status = 0 } = answer;
    if (status >= 300 && status < 400) {
      answer.destroy();
      throw failed(`answered ${status}, and no redirect is followed`);
    }
    return { status, text: await textOf(answer, failed) };
  } catch (thrown) {
    if (over.signal.aborted) throw failed(`did not answer within ${ANSWER_MS_MAX / 1_000} s`);
    if (thrown instanceof ExchangeFailure) throw thrown;
    throw failed(isSent ? "broke off before its answer" : "can't be reached", codeOf(thrown));
  } finally {
    cancel();
  }

  function answerTo(): Promise<IncomingMessage> {
    const certificates = ca?.();
    const { method, headers = {}, body = "" } = question;
    return new Promise((resolve, reject) => {
      const sent = (url.protocol === "https:" ? httpsRequest : httpRequest)(url, {
        method,
        agent: false,
        signal: over.signal,
        // Stated here, since an environment variable could change the default.
        rejectUnauthorized: true,
        minVersion: "TLSv1.2",
        ...(certificates === undefined ? {} : { ca: certificates }),
        headers: {
          accept: "application/json",
          "accept-encoding": "identity",
          connection: "close",
          ...(body === "" ? {} : { "content-length": Buffer.byteLength(body) }),
          ...headers,
        },
      });
      // What is written before the other end is recognised waits in this process.
      sent.once("socket", (socket) => {
        socket.once(url.protocol === "https:" ? "secureConnect" : "connect", () => {
          isSent = true;
        });
      });
      sent.once("response", resolve);
      sent.on("error", reject);
      sent.once("close", () => reject(failed("broke off before its answer")));
      sent.end(body);
    });
  }
}

async function textOf(answer: IncomingMessage, failed: (what: string) => ExchangeFailure): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of answer as AsyncIterable<Uint8Array>) {
    parts.push(part);
    bytes += part.length;
    // Leaving the loop ends the answer, and its connection.
    if (bytes > ANSWER_BYTES_MAX) throw failed(`answers with more than ${ANSWER_BYTES_MAX / KIBIBYTE} KiB`);
  }
  return Buffer.concat(parts).toString("utf8");
}

/** The code by which Node.js and OpenSSL tell errors apart; their texts may hold what the other side wrote. */
function codeOf(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown ? String(thrown.code) : "unknown";
}
