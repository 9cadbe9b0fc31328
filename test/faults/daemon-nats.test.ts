import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { buildNats, NATS_BUILD_MS_MAX, type NatsServer, natsIsMissing } from "../conformance/nats/nats-server.ts";
import { startVerifier } from "../e2e/verifier-process.ts";
import { closeStep } from "./daemon-scene.ts";
import { judged, natsScene, opened, optionsOf } from "./nats-scene.ts";

// A nats-server that is killed, loses all it had, stands still, or gives up on who does not read. Whatever it does, the broker issues and
// closes as without it, and a verifier that can't tell refuses.

const STARTS = { timeout: 180_000 } as const;
/** For what a bound of twelve seconds decides, and for a bus that comes back. */
const BOUND = { timeout: 60_000 } as const;

/** Its server goes, and comes back. */
type Fault = {
  readonly what: string;
  readonly begin: (nats: NatsServer) => unknown;
  readonly end: (nats: NatsServer) => unknown;
};

const FAULTS: readonly Fault[] = [
  { what: "is killed and started again", begin: (nats) => nats.kill(), end: (nats) => nats.restart() },
  { what: "is killed and comes back empty", begin: (nats) => nats.kill(), end: (nats) => nats.restart(true) },
  {
    what: "stands still and goes on",
    begin: (nats) => nats.process().kill("SIGSTOP"),
    end: (nats) => nats.process().kill("SIGCONT"),
  },
];

describe.skipIf(natsIsMissing())("a nats-server", () => {
  beforeAll(buildNats, NATS_BUILD_MS_MAX);

  test.for(FAULTS)(
    "that $what: steps go on and end meanwhile, verifiers refuse, and then know all",
    STARTS,
    async ({ begin, end }) => {
      const { session, verifier, nats } = await natsScene();
      const first = await verifier();
      await first.ready();
      const [before, going] = [await opened(session, "before"), await opened(session, "going")];
      await closeStep(session, before.stepId);
      await expect.poll(() => judged(first, before.token), BOUND).toBe("REVOKED");
      expect(judged(first, going.token)).toBe("accepted");

      await begin(nats);
      onTestFinished(() => void nats.process().kill("SIGCONT"));
      const meanwhile = await opened(session, "meanwhile");
      await closeStep(session, meanwhile.stepId);
      await expect.poll(() => judged(first, meanwhile.token), BOUND).toBe("STALE");
      expect(judged(first, going.token)).toBe("STALE");

      await end(nats);
      await expect.poll(() => judged(first, meanwhile.token), BOUND).toBe("REVOKED");
      expect(judged(first, before.token)).toBe("REVOKED");
      expect(judged(first, going.token)).toBe("accepted");
      // Whoever begins now finds all of it in the stream.
      const second = await verifier();
      await expect.poll(() => judged(second, going.token), BOUND).toBe("accepted");
      expect([before, meanwhile].map(({ token }) => judged(second, token))).toEqual(["REVOKED", "REVOKED"]);
    },
  );

  test(
    "whose stream is removed and filled by somebody else: whoever begins waits for the broker's",
    STARTS,
    async () => {
      const { session, verifier, nats } = await natsScene();
      const first = await verifier();
      await first.ready();
      const ended = await opened(session, "ended");
      await closeStep(session, ended.stepId);
      await expect.poll(() => judged(first, ended.token), BOUND).toBe("REVOKED");
      const client = await nats.client();
      const api = async (subject: string, payload = "") => client.request(`$JS.API.${subject}`, payload);
      await api("STREAM.PURGE.stint");
      for (let count = 0; count < 20; count += 1) await client.request("stint.denied", `made up ${count}`);
      const second = await verifier();
      await expect.poll(() => judged(second, ended.token), BOUND).toBe("REVOKED");
      expect(judged(first, ended.token)).toBe("REVOKED");
    },
  );

  test("that stands still: a daemon that is told to stop ends in order all the same", STARTS, async () => {
    const { session, daemon, nats, verifier } = await natsScene();
    await (await verifier()).ready();
    nats.process().kill("SIGSTOP");
    onTestFinished(() => void nats.process().kill("SIGCONT"));
    const { stepId } = await opened(session, "ended");
    await closeStep(session, stepId);
    expect(await daemon.stop()).toBe(0);
  });

  test(
    "that gives up on a verifier which does not read: it learns when it wakes what ended meanwhile",
    STARTS,
    async () => {
      const { session, daemon, nats } = await natsScene(
        'max_payload: 65536\nmax_pending: 65536\nwrite_deadline: "500ms"\n',
      );
      const going = await opened(session, "going");
      const ended = await opened(session, "ended");
      const verifier = await startVerifier(optionsOf(daemon), nats.address);
      onTestFinished(() => verifier[Symbol.asyncDispose]());
      expect(await verifier.judge(ended.token)).toBe("accepted");

      verifier.signal("SIGSTOP");
      await closeStep(session, ended.stepId);
      // More than its socket and the server's buffer hold, on a subject that it listens to.
      const client = await nats.client();
      const slow = async () => {
        for (let count = 0; count < 200; count += 1) client.publish("stint.heartbeat", "x".repeat(50_000));
        await client.flush();
        const { slow_consumers: slowConsumers } = (await nats.state()) as { readonly slow_consumers: number };
        return slowConsumers;
      };
      await expect.poll(slow, BOUND).toBeGreaterThan(0);
      verifier.signal("SIGCONT");
      await expect.poll(() => verifier.judge(ended.token), BOUND).toBe("REVOKED");
      await expect.poll(() => verifier.judge(going.token), BOUND).toBe("accepted");
    },
  );
});
