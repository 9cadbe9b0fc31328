// A client that keeps on opening steps, taking credentials of every kind and closing, until its input ends. Whatever it is
// given it writes into its journal, and that to the disk, before it asks for more: what the journal holds was received.

import { createHash, generateKeyPairSync, X509Certificate } from "node:crypto";
import { fsyncSync, openSync, writeSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { decodeJwt } from "jose";
import { readCertificate } from "../../src/domain/certificate.ts";
import { Credentials, type JwtSvidOutcome, type X509Svid } from "../../src/gen/stint/v1/credentials_pb.js";
import { Outcome, Steps } from "../../src/gen/stint/v1/steps_pb.js";
import { callErrorOf } from "../../src/wire/call-error.ts";
import { openChannel } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { READ_SEARCH, SEARCH } from "../e2e/entries.ts";
import { certificationRequest } from "../samples/certification-request.ts";
import type { JournalLine } from "./daemon-journal.ts";
import { BATCH } from "./daemon-load.ts";

const [, , socket, journalPath] = process.argv;
if (socket === undefined || journalPath === undefined) throw new Error("usage: daemon-load-child SOCKET JOURNAL");

const journal = openSync(journalPath, "a", 0o600);
const channel = openChannel(socket);
const steps = createClient(Steps, channel, { deadlineMs: 20_000 });
const credentials = createClient(Credentials, channel, { deadlineMs: 20_000 });
const csr = certificationRequest(generateKeyPairSync("ec", { namedCurve: "P-256" }));
const wanted = Array.from({ length: BATCH }, () => ({ audiences: [SEARCH] }));
let isStopping = false;
let toKill: number | undefined;
createInterface({ input: process.stdin })
  .on("line", (pid) => {
    toKill = Number(pid);
  })
  .on("close", () => {
    isStopping = true;
  });

/** Kills whom it was told to at the very moment an answer has come: nothing that the answer rests on may be still to do. */
async function answered<T>(call: Promise<T>): Promise<T> {
  const answer = await call;
  if (toKill !== undefined) process.kill(toKill, "SIGKILL");
  toKill = undefined;
  return answer;
}

function note(...lines: readonly JournalLine[]): void {
  for (const line of lines) writeSync(journal, `${JSON.stringify(line)}\n`);
  fsyncSync(journal);
}

function sha256(bytes: string | Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function jwtLines(outcomes: readonly JwtSvidOutcome[]): readonly JournalLine[] {
  return outcomes.map(({ outcome }): JournalLine => {
    if (outcome.case !== "svid") return { refused: outcome.case === "refusal" ? outcome.value.reason : "nothing" };
    const { svid } = outcome.value;
    return { sha256: sha256(svid.slice(0, svid.lastIndexOf("."))), jti: decodeJwt(svid).jti ?? "" };
  });
}

function x509Line(svid: X509Svid | undefined): JournalLine {
  const [leaf = new Uint8Array()] = svid?.x509Svid ?? [];
  const serialNumber = new X509Certificate(leaf).serialNumber.toLowerCase();
  return { sha256: sha256(readCertificate(leaf).toBeSigned), serialNumber };
}

async function close(stepId: string): Promise<void> {
  await answered(steps.close({ stepId, outcome: Outcome.COMPLETED }));
  note({ closed: stepId });
}

/** One step's life; what it leaves open is for the next turn. */
async function turn(number: number, left: Set<string>): Promise<void> {
  for (const stepId of left) {
    await close(stepId);
    left.delete(stepId);
  }
  const opened = await answered(
    steps.open({
      runId: `load-${process.pid}-${number}`,
      step: "work",
      agent: "worker",
      grant: { elements: [READ_SEARCH] },
      credentials: { csr, jwtSvids: wanted.slice(0, 2) },
    }),
  );
  const stepId = opened.step?.stepId ?? "";
  left.add(stepId);
  note({ opened: stepId }, x509Line(opened.x509Svid), ...jwtLines(opened.jwtSvids));
  // Noted one by one: the other may never be answered.
  await Promise.all([
    answered(credentials.issueJwtSvids({ stepId, wanted })).then(({ outcomes }) => note(...jwtLines(outcomes))),
    answered(credentials.issueX509Svid({ stepId, csr })).then(({ svid }) => note(x509Line(svid))),
  ]);
  await close(stepId);
  left.delete(stepId);
}

const left = new Set<string>();
for (let number = 1; !isStopping; number += 1) {
  try {
    await turn(number, left);
  } catch (thrown) {
    const error = callErrorOf(thrown);
    if (error.cause instanceof Error && error.codeName === "UNKNOWN") throw error.cause;
    note({ failed: error.reason ?? error.codeName });
    // Nobody is there; as a real client would, it does not ask again at once.
    await sleep(20);
  }
}
channel.close();
process.exit(0);
