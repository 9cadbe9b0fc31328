import { onTestFinished } from "vitest";
import { createVerifier, VerificationError, type Verifier } from "../../src/sdk/verifier/index.ts";
import { type NatsServer, startNats } from "../conformance/nats/nats-server.ts";
import type { Daemon } from "../daemon.ts";
import { SEARCH } from "../e2e/entries.ts";
import { issueJwt, openStep, type Session, sessionWith, startOwnDaemon } from "./daemon-scene.ts";

const ISSUER = "https://broker.example.org";
/** The strictest bounds that a verifier on NATS takes. */
const BOUNDS = { default: 12, read: 12 };

/** Of a verifier on NATS, but for its connection. */
export function optionsOf(daemon: Pick<Daemon, "httpUrl">) {
  const revocation = { from: "nats", issuer: ISSUER, trustDomain: "example.org", url: daemon.httpUrl } as const;
  return { audiences: [SEARCH], maxStalenessSeconds: BOUNDS, development: true, revocation };
}

/** A broker that tells on NATS, and verifiers there. */
export type NatsScene = {
  readonly nats: NatsServer;
  readonly daemon: Daemon;
  readonly session: Session;
  /** One on a connection of its own, gone with the test; it need not be ready. */
  verifier(): Promise<Verifier>;
};

/** @param more - lines of the server's configuration. */
export async function natsScene(more = ""): Promise<NatsScene> {
  const nats = await startNats(more);
  const daemon = await startOwnDaemon({ config: { nats: { servers: [`nats://${nats.address}`] } } });
  return {
    ...{ nats, daemon, session: sessionWith(daemon) },
    async verifier() {
      const connection = await nats.client();
      const options = optionsOf(daemon);
      const verifier = createVerifier({ ...options, revocation: { ...options.revocation, connection } });
      onTestFinished(() => verifier.close());
      return verifier;
    },
  };
}

/** A token of a step, and what its verifier is to tell of. */
export async function opened(session: Session, runId: string) {
  const { stepId } = await openStep(session, runId);
  return { stepId, token: await issueJwt(session, stepId) };
}

/** The code of the refusal, or `accepted`. */
export function judged(verifier: Verifier, token: string): string {
  try {
    verifier.verify(token);
    return "accepted";
  } catch (thrown) {
    if (thrown instanceof VerificationError) return thrown.code;
    throw thrown;
  }
}
