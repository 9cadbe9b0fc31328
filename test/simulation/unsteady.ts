import { BrokerError } from "../../src/domain/errors.ts";
import { unsigned } from "../../src/domain/signable.ts";
import type { Recorded } from "../../src/domain/stages.ts";
import type { CommitSigner } from "../../src/ports/commit-signer.ts";
import type { Follower } from "../../src/ports/following.ts";
import type { Head } from "../../src/ports/ledger.ts";
import type { PolicyEngine } from "../../src/ports/policy-engine.ts";
import type { Signer } from "../../src/ports/signer.ts";
import type { Ground } from "./broker.ts";

/** One signature, and how far the ledger had come when it was made. */
export type Signature = { readonly issuanceId: string; readonly digest: string; readonly head: Head["sequence"] };

/**
 * The ground as one broker's life finds it: every answer of the ledger and the signer comes after a while, so that what
 * is asked for at once happens in every order; at times they fail; and when the broker is killed nothing more is asked
 * nor answered, whatever had been asked for being done all the same.
 */
export type Unsteady = {
  readonly ground: Ground;
  /** Takes as long as an answer does, and for ever once it is killed. */
  readonly pass: () => Promise<void>;
  kill(): void;
  /** Rejects when it is killed. */
  readonly killed: Promise<never>;
};

export type Faults = {
  isLedgerUnavailable: boolean;
  isSignerUnavailable: boolean;
  engine: "well" | "late" | "failing";
  /** Which place of checkpoints can't be written, or that their key is gone. */
  checkpoints: "own" | "copy" | "signer" | undefined;
  /** The follower of this name throws at every event that it is given. */
  failingFollower: string | undefined;
};

/** How long an engine that is late takes: others come in between, and time passes. */
const LATE_MS = 400;

/** What a follower throws whose turn it is to fail. */
export class FollowerFault extends Error {
  override readonly name = "FollowerFault";
}

/** Why the key of checkpoints does not sign. */
export class KeyFault extends Error {
  override readonly name = "KeyFault";
}

export class Killed extends Error {
  override readonly name = "Killed";
}

/**
 * Signs in the ledger, with a signer's keys and faults.
 *
 * @param head - how far the ledger has come.
 */
export function committedSigner(
  signer: CommitSigner,
  faults: Faults,
  signatures: Signature[],
  head: () => Head["sequence"],
): CommitSigner {
  return {
    sign(recorded) {
      if (faults.isSignerUnavailable) throw unsigned("the signer is gone");
      const signature = signer.sign(recorded);
      const { issuanceId, toBeSignedSha256: digest } = recorded.record;
      signatures.push({ issuanceId, digest, head: head() });
      return signature;
    },
  };
}

/**
 * @param delays - how many turns each answer takes, again and again in this order.
 * @param signed.head - how far the log has come.
 */
export function unsteady(
  ground: Ground,
  delays: readonly number[],
  faults: Faults,
  signed: { readonly signatures: Signature[]; readonly head: () => Head["sequence"] },
): Unsteady {
  let isDead = false;
  let next = 0;
  const never = new Promise<never>(() => undefined);
  const killed = Promise.withResolvers<never>();
  killed.promise.catch(() => undefined);

  async function pass(): Promise<void> {
    const turns = delays[next % Math.max(1, delays.length)] ?? 0;
    next += 1;
    for (let turn = 0; turn < turns; turn += 1) await undefined;
    if (isDead) await never;
  }

  async function slowly<Value>(work: () => Promise<Value>): Promise<Value> {
    await pass();
    try {
      return await work();
    } finally {
      await pass();
    }
  }

  const recording = <Value>(work: () => Promise<Value>) =>
    slowly(async () => {
      if (faults.isLedgerUnavailable) throw new BrokerError("LEDGER_UNAVAILABLE", "the disk is full");
      return work();
    });

  /** What is committed once the broker is dead reaches nobody any more: that is a crash between commit and delivery. */
  function mortal(follower: Follower): Follower {
    const { name } = follower;
    const failInTurn = () => {
      if (faults.failingFollower === name) throw new FollowerFault(name);
    };
    if ("take" in follower) {
      return {
        name,
        take(committed) {
          if (isDead) return;
          failInTurn();
          follower.take(committed);
        },
      };
    }
    return {
      name,
      async takeAll(committed) {
        if (isDead) return;
        failInTurn();
        await follower.takeAll(committed);
      },
    };
  }

  const { store, signer, engine, clock, events } = ground;

  async function evaluate(asked: PolicyEngine, question: Parameters<PolicyEngine["evaluate"]>) {
    if (faults.engine === "late") await new Promise<void>((resolve) => void clock.schedule(LATE_MS, resolve));
    return slowly(async () => {
      if (faults.engine === "failing") throw new BrokerError("NOT_SERVING", "the engine gives no answer");
      return asked.evaluate(...question);
    });
  }

  const slow: Signer = {
    ...signer,
    signSvid: (recorded: Recorded) =>
      slowly(async () => {
        if (faults.isSignerUnavailable) throw new BrokerError("AUTHORITY_UNAVAILABLE", "the signer is gone");
        const signature = await signer.signSvid(recorded);
        const { issuanceId, toBeSignedSha256: digest } = recorded.record;
        signed.signatures.push({ issuanceId, digest, head: signed.head() });
        return signature;
      }),
  };
  return {
    ground: {
      ...ground,
      signer: slow,
      ...(events === undefined ? {} : { events: { push: (...sent) => slowly(() => events.push(...sent)) } }),
      ...(engine === undefined ? {} : { engine: { ...engine, evaluate: (...question) => evaluate(engine, question) } }),
      store: {
        ...store,
        ledger: {
          ...store.ledger,
          follow: (follower, after) => store.ledger.follow(mortal(follower), after),
          perform: (act) => recording(() => store.ledger.perform(act)),
        },
        retention: {
          ...store.retention,
          takeSnapshot: () => recording(() => store.retention.takeSnapshot()),
          prune: (cutoffs) => recording(() => store.retention.prune(cutoffs)),
        },
        steps: {
          ...store.steps,
          step: (stepId) => slowly(() => store.steps.step(stepId)),
          newestAttempt: (...name) => slowly(() => store.steps.newestAttempt(...name)),
          stepByRequest: (...request) => slowly(() => store.steps.stepByRequest(...request)),
          standingAttempts: (...name) => slowly(() => store.steps.standingAttempts(...name)),
          opening: (decisionId) => slowly(() => store.steps.opening(decisionId)),
          callsCounted: (stepId) => slowly(() => store.steps.callsCounted(stepId)),
          world: (...scopes) => slowly(() => store.steps.world(...scopes)),
        },
        credentials: {
          ...store.credentials,
          issuance: (name) => slowly(() => store.credentials.issuance(name)),
        },
      },
    },
    pass,
    kill() {
      isDead = true;
      killed.reject(new Killed("the broker was killed"));
    },
    killed: killed.promise,
  };
}
