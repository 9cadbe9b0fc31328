import { inflateSync } from "node:zlib";
import { createRemoteJWKSet, decodeJwt, jwtVerify } from "jose";
import { describe, expect, onTestFinished, test } from "vitest";
import { isValidAt } from "../../src/domain/status-list.ts";
import type { Daemon } from "../daemon.ts";
import {
  closeStep,
  issueJwt,
  openStep,
  restarted,
  type Session,
  sessionWith,
  startOwnDaemon,
} from "../faults/daemon-scene.ts";
import { SEARCH } from "./entries.ts";
import { startVerifier } from "./verifier-process.ts";

const ISSUER = "https://broker.example.org";
/** A start may be that of three processes, on a machine that may be busy. */
const STARTS = { timeout: 120_000 } as const;

/** Whether a token is valid, as a verifier finds out that knows nothing of Stint but where its keys are. */
async function isValid(daemon: Daemon, token: string): Promise<boolean | undefined> {
  const { status } = decodeJwt<{ status?: { status_list?: { idx: number; uri: string } } }>(token);
  const { idx = -1, uri = "" } = status?.status_list ?? {};
  const response = await fetch(uri.replace(ISSUER, daemon.httpUrl));
  expect(response.headers.get("content-type")).toBe("application/statuslist+jwt");
  const keys = createRemoteJWKSet(new URL(`${daemon.httpUrl}/keys/events.json`));
  const { payload } = await jwtVerify<{ status_list: { bits: number; lst: string } }>(await response.text(), keys, {
    issuer: ISSUER,
    subject: uri,
    typ: "statuslist+jwt",
    algorithms: ["ES256"],
  });
  expect(payload.status_list.bits).toBe(1);
  return isValidAt(inflateSync(Buffer.from(payload.status_list.lst, "base64url")), idx);
}

describe.for([0, 2])("with %s front ends", (workers) => {
  test(
    "a token is valid by its status list until its step's close has returned, and after a restart too",
    STARTS,
    async () => {
      const daemon = await startOwnDaemon({ config: { status_lists: true, workers } });
      const sessions: readonly Session[] = [sessionWith(daemon), sessionWith(daemon)];
      const issued = await Promise.all(
        sessions.map(async (session, index) => {
          const { stepId } = await openStep(session, `run-${index}`);
          return { session, stepId, token: await issueJwt(session, stepId) };
        }),
      );
      for (const { session, stepId, token } of issued) {
        expect(await isValid(daemon, token)).toBe(true);
        await closeStep(session, stepId);
        expect(await isValid(daemon, token)).toBe(false);
      }
      await daemon.stop();
      const again = await restarted(daemon);
      for (const { token } of issued) expect(await isValid(again, token)).toBe(false);
    },
  );
});

test("where no lists are served no token names one, and there is no key for them", STARTS, async () => {
  const daemon = await startOwnDaemon();
  const session = sessionWith(daemon);
  const { stepId } = await openStep(session, "run");
  expect(decodeJwt(await issueJwt(session, stepId))).not.toHaveProperty("status");
  expect(await (await fetch(`${daemon.httpUrl}/keys/events.json`)).json()).toEqual({ keys: [] });
  expect((await fetch(`${daemon.httpUrl}/status/AbCdEfGhIjKl`)).status).toBe(404);
});

/** A token of a step, and what its verifier is to tell of. */
async function opened(session: Session, runId: string) {
  const { stepId } = await openStep(session, runId);
  return { stepId, token: await issueJwt(session, stepId) };
}

test(
  "a verifier in a process of its own refuses an ended step within one refresh, and everything once the broker is gone",
  STARTS,
  async () => {
    const daemon = await startOwnDaemon({ config: { status_lists: true } });
    const session = sessionWith(daemon);
    const verifier = await startVerifier({
      audiences: [SEARCH],
      maxStalenessSeconds: { default: 12, read: 12 },
      revocation: { from: "status-list", issuer: ISSUER, trustDomain: "example.org", url: daemon.httpUrl },
    });
    onTestFinished(() => verifier[Symbol.asyncDispose]());
    const [ended, going] = [await opened(session, "ended"), await opened(session, "going")];
    expect(await verifier.judge(ended.token)).toBe("accepted");
    expect(await verifier.judge(going.token)).toBe("accepted");
    expect((await verifier.status()).stalenessSeconds).toBeLessThan(12);

    await closeStep(session, ended.stepId);
    expect(await verifier.ended(ended.stepId)).toMatchObject({ code: "REVOKED", metadata: { reason: "unspecified" } });
    expect(await verifier.judge(ended.token)).toBe("REVOKED");
    expect(await verifier.judge(going.token)).toBe("accepted");

    await daemon.stop();
    await expect.poll(() => verifier.judge(going.token), { timeout: 30_000 }).toBe("STALE");
    expect((await verifier.status()).stalenessSeconds).toBeGreaterThan(12);
  },
);
