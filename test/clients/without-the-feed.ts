import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { ToldWorkload } from "../conformance/told-workload.ts";
import { SEARCH } from "../e2e/entries.ts";
import { ownSvid, startTransmitter } from "../e2e/transmitting-broker.ts";
import { closeStep, issueJwt, openStep, type Session, sessionWith, startOwnDaemon } from "../faults/daemon-scene.ts";

/** Starts the verifier of a client as a program, with its audience and how it hears of revocations. */
export type StartVerifier = (args: readonly [string, string], socket: string) => Promise<ToldWorkload>;

const OF_BROKER = { issuer: "https://broker.example.org", trust_domain: "example.org" };
/** A start may be that of a daemon, on a machine that may be busy. */
const STARTS = { timeout: 120_000 } as const;
const ACCEPTED = { spiffe_id: expect.stringMatching(/^spiffe:/) };

/** The tests of a client's verifier at a real broker, whose feed it does not follow. */
export function testsWithoutTheFeed(start: StartVerifier): void {
  test(
    "by status lists refuses an ended step within a refresh, and everything once the broker is gone",
    STARTS,
    async () => {
      const daemon = await startOwnDaemon({ config: { status_lists: true } });
      const session = sessionWith(daemon);
      const settings = { kind: "status-list", ...OF_BROKER, url: daemon.httpUrl };
      const verifier = await started(start, settings, daemon.workloadSocket);
      const [ended, going] = [await opened(session, "ended"), await opened(session, "going")];
      expect(await verifier.tell("verify", { token: going.token })).toMatchObject(ACCEPTED);
      expect(await verifier.tell("verify", { token: ended.token })).toMatchObject(ACCEPTED);
      const use = { tool: "search", actions: ["read"] };
      expect(await verifier.tell("authorize", use)).toBe("permitted");
      expect(await verifier.tell("status")).toMatchObject({ connected: true, refusal: null, last_error: null });

      await verifier.tell("watch");
      await closeStep(session, ended.stepId);
      const told = { refused: "REVOKED", metadata: { reason: "unspecified" } };
      expect(await verifier.event("ended")).toMatchObject(told);
      expect(await verifier.tell("verify", { token: ended.token })).toEqual(told);
      expect(await verifier.tell("verify", { token: going.token })).toMatchObject(ACCEPTED);
      await refusesWithout(verifier, daemon, going.token);
    },
  );

  test(
    "by events that it polls refuses an ended step, what was issued before it heard, and everything once the broker is gone",
    STARTS,
    async () => {
      const { daemon, certificate } = await startTransmitter();
      const session = sessionWith(daemon);
      const earlier = await opened(session, "earlier");
      const files = await svidFiles(session);
      const settings = { kind: "poll", ...OF_BROKER, url: daemon.httpUrl, roots_file: certificate, ...files };
      const verifier = await started(start, settings, daemon.workloadSocket);
      expect(await verifier.tell("verify", { token: earlier.token })).toMatchObject({ refused: "CLAIMS_INVALID" });

      const { stepId } = await openStep(session, "told");
      let token = "";
      // What is issued has an `iat` of some seconds before.
      const renewed = async () => {
        token = await issueJwt(session, stepId);
        return verifier.tell("verify", { token });
      };
      await expect.poll(renewed, { timeout: 30_000, interval: 500 }).toMatchObject(ACCEPTED);
      expect(await verifier.tell("authorize", { tool: "search", actions: ["read"] })).toBe("permitted");
      await verifier.tell("watch");
      await closeStep(session, stepId);
      const told = { refused: "REVOKED", metadata: { reason: "unspecified", state: "UNKNOWN" } };
      expect(await verifier.event("ended")).toMatchObject(told);
      expect(await verifier.tell("verify", { token })).toEqual(told);

      const going = await opened(session, "going");
      expect(await verifier.tell("verify", { token: going.token })).toMatchObject(ACCEPTED);
      await refusesWithout(verifier, daemon, going.token);
    },
  );
}

async function started(start: StartVerifier, settings: object, socket: string): Promise<ToldWorkload> {
  const verifier = await start([SEARCH, JSON.stringify(settings)], socket);
  onTestFinished(() => verifier[Symbol.asyncDispose]());
  expect(await verifier.tell("ready")).toBe("ready");
  return verifier;
}

/** A token of a step. */
async function opened(session: Session, runId: string) {
  const { stepId } = await openStep(session, runId);
  return { stepId, token: await issueJwt(session, stepId) };
}

/** The X.509-SVID of the verifier, in files. */
async function svidFiles({ channel }: Session) {
  const folder = mkdtempSync(join(tmpdir(), "stint-svid-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const files = { certificate_file: join(folder, "svid.pem"), key_file: join(folder, "svid_key.pem") };
  const { cert, key } = await ownSvid(channel);
  writeFileSync(files.certificate_file, cert);
  writeFileSync(files.key_file, key, { mode: 0o600 });
  return files;
}

async function refusesWithout(
  verifier: ToldWorkload,
  daemon: { stop(): Promise<unknown> },
  token: string,
): Promise<void> {
  await daemon.stop();
  expect(await verifier.tell("verify", { token })).toMatchObject(ACCEPTED);
  await verifier.tell("later", { ms: 61_000 });
  expect(await verifier.tell("verify", { token })).toMatchObject({ refused: "STALE" });
  const { staleness_seconds: seconds, refusal } = (await verifier.tell("status")) as Record<string, unknown>;
  expect(refusal).toBe("STALE");
  expect(seconds).toBeGreaterThan(61);
}
