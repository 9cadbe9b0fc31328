import { get } from "node:https";
import { expect, onTestFinished, test } from "vitest";
import { parseCheckpointText } from "../../src/domain/checkpoint.ts";
import { append, EMPTY_RANGE, leafHash, rootOf } from "../../src/domain/merkle-tree.ts";
import { parseNote, parseNoteKey } from "../../src/domain/signed-note.ts";
import { tilePath } from "../../src/domain/tile.ts";
import { SpiffeWorkloadAPI } from "../../src/gen/spiffe/workload/workload_pb.js";
import { checkCheckpoint } from "../../src/verify/ledger-proofs.ts";
import { createClient } from "../../src/wire/client.ts";
import { madeCertificate } from "../api/http/http-peers.ts";
import { pemOf } from "../authority/crl-scene.ts";
import { runStint } from "../cli/running.ts";
import { startDaemon } from "../daemon.ts";
import { freePort } from "../free-port.ts";
import { OWN_ENTRIES, runtimeAt } from "./one-user.ts";

const OPERATOR = { kind: "operator", name: "auditor", selectors: [`unix:uid:${process.getuid?.()}`], role: "viewer" };

type Answer = { readonly status: number; readonly headers: NodeJS.Dict<string | string[]>; readonly body: Buffer };

/** A daemon that serves HTTPS, and this process as its runtime, verifier and operator. */
async function live() {
  const port = await freePort();
  const issuer = `https://127.0.0.1:${port}`;
  const { certificate, privateKey, pem: ca } = madeCertificate();
  const http = { listen: `127.0.0.1:${port}`, tls: { certificate, private_key: privateKey } };
  const daemon = await startDaemon({ entries: [...OWN_ENTRIES, OPERATOR], config: { issuer, http } });
  onTestFinished(() => daemon[Symbol.asyncDispose]());
  const runtime = runtimeAt(daemon.workloadSocket);
  onTestFinished(() => runtime[Symbol.dispose]());

  const read = (path: string, client: { readonly cert?: string; readonly key?: string }) =>
    new Promise<Answer>((resolve, reject) => {
      const options = { agent: false, ca, checkServerIdentity: () => undefined, ...client };
      get(`${issuer}${path}`, options, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        const { statusCode: status = 0, headers } = response;
        response.on("end", () => resolve({ status, headers, body: Buffer.concat(chunks) }));
      }).on("error", reject);
    });
  async function svidOf(hint: string): Promise<{ readonly cert: string; readonly key: string }> {
    for await (const { svids } of createClient(SpiffeWorkloadAPI, runtime.channel).fetchX509SVID({})) {
      const svid = svids.find((one) => one.hint === hint);
      if (svid === undefined) break;
      return { cert: pemOf("CERTIFICATE", svid.x509Svid), key: pemOf("PRIVATE KEY", svid.x509SvidKey) };
    }
    return expect.unreachable(`no SVID with the hint ${hint}`);
  }
  return { daemon, runtime, read, svidOf };
}

test("an operator reads the log by its tiles, and they are those of the signed checkpoint; nobody else does", async () => {
  const { daemon, runtime, read, svidOf } = await live();
  await runtime.open();
  const operator = await svidOf("operator/auditor");
  const { out } = await runStint(["--operator-socket", daemon.operatorSocket, "status", "-o", "json"]);
  const { sequence } = JSON.parse(out) as { readonly sequence: number };
  const newest = async () => String((await read("/checkpoint", operator)).body);
  const sizeOf = (text: string) => parseCheckpointText(parseNote(text)?.text ?? "")?.size ?? 0;
  // One is signed a second, so that the first that is shown may be of the ledger's first event alone.
  await expect.poll(async () => sizeOf(await newest())).toBeGreaterThanOrEqual(Number(sequence));
  const note = await newest();
  const key = (await runStint(["--operator-socket", daemon.operatorSocket, "ledger", "key"])).out.trim();
  const log = parseNoteKey(key) ?? expect.unreachable();
  expect(checkCheckpoint(note, { log, witnesses: [] }).kind).toBe("checkpoint");
  const { size, rootHash } = parseCheckpointText(parseNote(note)?.text ?? "") ?? expect.unreachable();
  expect(size).toBeLessThan(256);

  const { status, headers, body } = await read(`/tile/${tilePath({ level: 0, index: 0, width: size })}`, operator);
  expect([status, body.length, headers["cache-control"]]).toEqual([
    200,
    32 * size,
    "private, max-age=31536000, immutable",
  ]);
  const rootOfTile = (bytes: Buffer) =>
    rootOf(
      Array.from({ length: size }, (_, index) => bytes.subarray(32 * index, 32 * index + 32)).reduce(
        (range, leaf) => append(range, leaf).range,
        EMPTY_RANGE,
      ),
    );
  expect(Buffer.from(rootOfTile(body))).toEqual(Buffer.from(rootHash));
  const tampered = Buffer.from(body);
  tampered[40] = (tampered[40] ?? 0) ^ 1;
  expect(Buffer.from(rootOfTile(tampered))).not.toEqual(Buffer.from(rootHash));

  const entries = (await read(`/tile/${tilePath({ level: "entries", index: 0, width: size })}`, operator)).body;
  let at = 0;
  for (let index = 0; index < size; index += 1) {
    const length = entries.readUInt16BE(at);
    const entry = entries.subarray(at + 2, at + 2 + length);
    expect(Buffer.from(leafHash(entry))).toEqual(body.subarray(32 * index, 32 * index + 32));
    at += 2 + length;
  }
  expect(at).toBe(entries.length);

  const notThere = [`/tile/0/000`, `/tile/1/000.p/1`, "/tile/entries/001.p/1", "/tile/8/0/000"];
  for (const path of notThere) expect([path, (await read(path, operator)).status]).toEqual([path, 404]);

  const verifier = await svidOf("verifier/mcp-1");
  for (const path of ["/checkpoint", "/tile/0/000.p/1", "/tile/nothing"]) {
    const answers = await Promise.all([read(path, verifier), read(path, {})]);
    expect([path, ...answers.map((answer) => answer.status)]).toEqual([path, 403, 401]);
    for (const answer of answers) expect(String(answer.body)).not.toContain("example.org/stint");
  }
});
