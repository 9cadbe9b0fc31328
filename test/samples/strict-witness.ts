import { generateKeyPairSync, sign } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { parseAddCheckpoint } from "../../src/domain/add-checkpoint.ts";
import { type Checkpoint, parseCheckpointText } from "../../src/domain/checkpoint.ts";
import { formatNoteKey, type NoteKey, noteKeyId } from "../../src/domain/signed-note.ts";
import { isConsistent } from "../../src/domain/tree-proof.ts";
import { openNote } from "../../src/verify/note.ts";

const NAME = "witness.example/w1";

/** A witness that does what C2SP tlog-witness says, and nothing that it does not; it knows one log, by the key that it is told. */
export type StrictWitness = {
  /** Its submission prefix. */
  readonly url: string;
  readonly key: NoteKey;
  /** The same in one line. */
  readonly keyLine: string;
  /** The log's key. */
  know(key: NoteKey): void;
  /** Status of each answer. */
  readonly answers: readonly number[];
  close(): Promise<void>;
};

export async function startWitness(): Promise<StrictWitness> {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = Buffer.from(publicKey.export({ format: "jwk" }).x ?? "", "base64url");
  const key: NoteKey = { name: NAME, type: "cosignature", publicKey: new Uint8Array(raw) };
  const answers: number[] = [];
  let log: NoteKey | undefined;
  let latest: Checkpoint | undefined;

  function answerTo(body: string): { readonly status: number; readonly text: string; readonly type?: string } {
    const asked = parseAddCheckpoint(body);
    if (asked === undefined) return { status: 400, text: "" };
    const { oldSize, hashes, checkpoint } = asked;
    if (log === undefined || !checkpoint.startsWith(`${log.name}\n`)) return { status: 404, text: "" };
    const opened = openNote(checkpoint, [log]);
    if (opened.kind === "refused") return { status: 403, text: "" };
    const next = parseCheckpointText(opened.text);
    if (next === undefined || oldSize > next.size) return { status: 400, text: "" };
    const known = latest?.size ?? 0;
    if (oldSize !== known) return { status: 409, text: `${known}\n`, type: "text/x.tlog.size" };
    const continues = latest === undefined ? hashes.length === 0 : isConsistent(latest, next, hashes);
    if (!continues) return { status: 422, text: "" };
    latest = next;
    const time = Math.floor(Date.now() / 1_000);
    const stamp = Buffer.alloc(8);
    stamp.writeBigUInt64BE(BigInt(time));
    const signature = sign(null, Buffer.from(`cosignature/v1\ntime ${time}\n${opened.text}`), privateKey);
    const signed = Buffer.concat([Buffer.from(noteKeyId(key), "hex"), stamp, signature]);
    return { status: 200, text: `— ${NAME} ${signed.toString("base64")}\n` };
  }

  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const isAsked = request.method === "POST" && request.url === "/log/add-checkpoint";
      const {
        status,
        text,
        type = "text/plain",
      } = isAsked ? answerTo(Buffer.concat(parts).toString()) : { status: 404, text: "" };
      answers.push(status);
      response.writeHead(status, { "content-type": type }).end(text);
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/log/`,
    key,
    keyLine: formatNoteKey(key),
    know(known) {
      log = known;
    },
    answers,
    close: () => new Promise((resolve) => void server.close(() => resolve())),
  };
}
