import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { BrokerError } from "../../domain/errors.ts";
import type { NoteKey } from "../../domain/signed-note.ts";
import type { Witness } from "../../ports/witness.ts";

/** Nothing waits for it; a witness that takes longer is asked again. */
const ANSWER_MS_MAX = 10_000;
/** A hundred signatures take less. */
const ANSWER_BYTES_MAX = 64 * 1024;
const SIZE = /^(0|[1-9][0-9]{0,15})\n?$/;

/**
 * A witness of C2SP tlog-witness. Asked on a connection of its own; no proxy is asked, and no redirect followed.
 *
 * @param url - the submission prefix: https, or http to this machine.
 */
export function httpWitness({ url, key }: { readonly url: string; readonly key: NoteKey }): Witness {
  const at = new URL(`${url.replace(/\/$/, "")}/add-checkpoint`);
  return {
    key,
    async addCheckpoint(text) {
      const { status, body } = await post(at, text).catch((thrown: unknown) => {
        throw thrown instanceof BrokerError ? thrown : failure(key, "can't be reached", codeOf(thrown));
      });
      if (status === 200) return { signatures: body };
      const [, size] = (status === 409 ? SIZE.exec(body) : undefined) ?? [];
      if (size === undefined || !Number.isSafeInteger(Number(size))) throw failure(key, `answered ${status}`);
      return { signedSize: Number(size) };
    },
  };

  function post(to: URL, text: string): Promise<{ readonly status: number; readonly body: string }> {
    return new Promise((resolve, reject) => {
      const sent = (to.protocol === "https:" ? httpsRequest : httpRequest)(to, {
        method: "POST",
        agent: false,
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
        // Stated here, since an environment variable could change the default.
        rejectUnauthorized: true,
        minVersion: "TLSv1.2",
        headers: { "content-type": "text/plain; charset=utf-8", "content-length": Buffer.byteLength(text) },
      });
      sent.once("response", (answer) => {
        textOf(answer).then((body) => resolve({ status: answer.statusCode ?? 0, body }), reject);
      });
      sent.on("error", reject);
      sent.end(text);
    });
  }

  async function textOf(answer: IncomingMessage): Promise<string> {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const part of answer as AsyncIterable<Uint8Array>) {
      parts.push(part);
      bytes += part.length;
      // Leaving the loop ends the answer, and its connection.
      if (bytes > ANSWER_BYTES_MAX) throw failure(key, `answers with more than ${ANSWER_BYTES_MAX} bytes`);
    }
    return Buffer.concat(parts).toString("utf8");
  }
}

function failure({ name }: NoteKey, what: string, detail?: string): BrokerError {
  return new BrokerError("NOT_SERVING", `the witness ${name} ${what}`, detail === undefined ? {} : { detail });
}

/** The code by which Node.js tells errors apart; their texts may hold what the other side wrote. */
function codeOf(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown ? String(thrown.code) : "unknown";
}
