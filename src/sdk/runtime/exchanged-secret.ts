import { randomUUID } from "node:crypto";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { askBroker, type Broker } from "./broker.ts";
import { concealed } from "./concealed-token.ts";
import { StintError } from "./stint-error.ts";

/**
 * A secret of another system, for one step. It is reached by `secret()` alone: printing, inspecting, logging or serializing
 * the object shows its target and expiry. It is not renewed: ask for another.
 */
export type ExchangedSecret = {
  readonly exchangeId: string;
  /** The name that the broker's configuration gives the other system. */
  readonly target: string;
  /** `openbao`, `postgres`, … */
  readonly kind: string;
  /** Exclusive; not after the step's. */
  readonly expiresAt: Date;
  /** Whether it ends with its step. Otherwise it lives on until it expires. */
  readonly endsWithStep: boolean;
  /** By names: `token`, or `username` and `password`, …. */
  secret(): Readonly<Record<string, string>>;
  /** `ExchangedSecret(<target>)` */
  toString(): string;
  toJSON(): { readonly exchangeId: string; readonly target: string; readonly expiresAt: string };
};

/**
 * Has the broker ask another system for a secret of a step: a new one each time. The broker is asked once: where no answer
 * came, what there may be ends with the step.
 *
 * @param signal - ends what is under way.
 * @throws StintError INVALID_FIELD for an unknown target, AUDIENCE_INVALID, NOT_ENTITLED, STEP_CLOSED, STEP_EXPIRING,
 *   LIMIT_EXCEEDED; NOT_SERVING where the other system can't be asked now
 */
export async function exchangeSecret(
  { broker, stepId, signal }: { readonly broker: Broker; readonly stepId: string; readonly signal: AbortSignal },
  target: string,
): Promise<ExchangedSecret> {
  signal.throwIfAborted();
  const request = { stepId, target, requestId: randomUUID() };
  const given = await askBroker((call) => broker.credentials.exchange(request, call), { signal, once: true });
  if (given.expiresAt === undefined) throw new StintError("BROKER_FAILED", "the broker's answer holds no secret");
  return createExchangedSecret({ ...given, expiresAt: timestampDate(given.expiresAt) });
}

export function createExchangedSecret(given: {
  readonly exchangeId: string;
  readonly target: string;
  readonly kind: string;
  readonly expiresAt: Date;
  readonly endsWithStep: boolean;
  readonly secret: Readonly<Record<string, string>>;
}): ExchangedSecret {
  const { exchangeId, target, kind, expiresAt, endsWithStep } = given;
  const secret = Object.freeze({ ...given.secret });
  return concealed(
    {
      name: `ExchangedSecret(${target})`,
      facts: { exchangeId, target, kind, expiresAt, endsWithStep },
      json: { exchangeId, target },
    },
    { secret: () => secret },
  );
}
