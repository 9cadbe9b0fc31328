import { BrokerError, errorOf, isDenial } from "../domain/errors.ts";
import { ExchangeFailure, type ExchangeIntent } from "../domain/exchange.ts";
import { ID_RANDOM_BYTES, newId } from "../domain/ids.ts";
import type { Attested } from "../domain/stages.ts";
import { permits } from "../domain/step.ts";
import { stepNamesOf } from "../domain/step-names.ts";
import { secondsOf, type UnixSeconds } from "../domain/time.ts";
import { onlyAnswer } from "../issue/entitle.ts";
import { type IssueEntitledPorts, issueEntitled } from "../issue/issue-entitled.ts";
import type { ExchangeOrder, IssuedSecret } from "../ports/exchange-target.ts";
import type { ExchangeVault } from "../ports/exchange-vault.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { Replicas } from "../ports/replicas.ts";
import type { Endings } from "./endings.ts";
import {
  type EntitledExchange,
  type EntitleExchangePorts,
  entitleExchange,
  type SecretOrder,
} from "./entitle-exchange.ts";

export type ExchangePorts = EntitleExchangePorts &
  IssueEntitledPorts & {
    readonly ledger: Pick<Ledger, "perform">;
    readonly vault: Pick<ExchangeVault, "keep">;
    /** Absent: the ledger is shared with nobody. */
    readonly replicas?: Pick<Replicas, "own"> | undefined;
    readonly endings: Pick<Endings, "answer" | "taken" | "blindEnding">;
  };

/** A secret of another system, for the one answer that it is in. */
export type GivenSecret = Pick<ExchangeIntent, "exchangeId" | "target" | "kind" | "endable"> & {
  readonly secret: IssuedSecret["secret"];
  readonly expiresAt: UnixSeconds;
};

declare const stage: unique symbol;

/** A question to another system whose row is durable: the only thing that another system is asked by. */
type Intended = EntitledExchange & {
  readonly [stage]: "intended";
  readonly intent: ExchangeIntent;
  readonly token: string;
};

/**
 * The path of a secret of another system. Recording comes before asking, so that there is none that the ledger does not
 * know; what is needed to end it is sealed before its answer is recorded; and it is given to nobody once its step is over.
 *
 * @throws BrokerError as `entitleExchange`; REQUEST_ID_REUSED; NOT_SERVING where the other system gives no answer that can
 *   be used, and NOT_ENTITLED where it refuses (both with the metadata `target`); STEP_CLOSED for a step that ended
 *   meanwhile; LEDGER_UNAVAILABLE
 */
export async function exchangeSecret(caller: Attested, order: SecretOrder, ports: ExchangePorts): Promise<GivenSecret> {
  const entitled = await entitleExchange(caller, order, ports);
  const intended = await intend(entitled, order, ports);
  const issued = await askTarget(intended, ports);
  await keepAnswer(intended, issued, ports);
  return deliver(intended, issued, ports);
}

async function intend(found: EntitledExchange, { requestId }: SecretOrder, ports: ExchangePorts): Promise<Intended> {
  const { entitled, step, target, expiresAt } = found;
  const traded = target.takesToken ? onlyAnswer(await issueEntitled([entitled], ports)) : undefined;
  if (traded !== undefined && isDenial(traded)) throw errorOf(traded);
  const now = ports.clock.now();
  const intent: ExchangeIntent = {
    exchangeId: newId("exchange", now, ports.random.bytes(ID_RANDOM_BYTES)),
    stepId: step.stepId,
    target: target.name,
    kind: target.kind,
    ...(traded === undefined ? {} : { issuanceId: traded.issuanceId }),
    requestId,
    expiresAt,
    endable: target.end !== undefined,
    ...(ports.replicas === undefined ? {} : { replica: ports.replicas.own }),
  };
  await ports.endings.blindEnding(step.stepId, target.name);
  const { decidedOn, executable } = entitled;
  const recorded = await ports.ledger.perform({
    act: "intend-exchange",
    exchange: intent,
    decidedOn,
    ...(executable === undefined ? {} : { executable }),
    now,
  });
  if (isDenial(recorded)) throw errorOf(recorded);
  await ports.endings.taken(recorded.sequence);
  const token = traded === undefined ? "" : Buffer.from(traded.svid).toString("latin1");
  return { ...found, intent, token } as Intended;
}

async function askTarget(intended: Intended, ports: ExchangePorts): Promise<IssuedSecret> {
  const { target, intent } = intended;
  try {
    return await target.issue(orderOf(intended, secondsOf(ports.clock.now())));
  } catch (thrown) {
    if (!(thrown instanceof ExchangeFailure)) {
      await ports.endings.answer(intent.exchangeId, { kind: "failed", failure: "failed", mayExist: true });
      throw thrown;
    }
    const { kind, message: failure, mayExist, handle, expiresAt, detail } = thrown;
    if (handle !== undefined) await keepHandle(intended, handle, ports);
    const until = expiresAt === undefined ? {} : { expiresAt };
    await ports.endings.answer(intent.exchangeId, { kind: "failed", failure, mayExist, ...until });
    throw new BrokerError(kind === "refused" ? "NOT_ENTITLED" : "NOT_SERVING", `${target.name} ${failure}`, {
      metadata: { target: target.name },
      ...(detail === undefined ? {} : { detail }),
    });
  }
}

function orderOf({ intent, step, token }: Intended, now: UnixSeconds): ExchangeOrder {
  const { exchangeId, expiresAt } = intent;
  return { exchangeId, spiffeId: step.spiffeId, names: stepNamesOf(step), token, expiresAt, now };
}

async function keepAnswer(intended: Intended, issued: IssuedSecret, ports: ExchangePorts): Promise<void> {
  const { handle, reference, expiresAt } = issued;
  if (handle !== undefined) await keepHandle(intended, handle, ports);
  const known = reference === undefined ? {} : { reference };
  await ports.endings.answer(intended.intent.exchangeId, { kind: "issued", expiresAt, ...known });
}

/** Where it can't be kept, what was issued is ended at once, by the handle that is still at hand. */
async function keepHandle({ intent, step, target }: Intended, handle: string, ports: ExchangePorts): Promise<void> {
  const { exchangeId } = intent;
  try {
    await ports.vault.keep(exchangeId, handle);
  } catch (thrown) {
    // A failure is answered by the search for what nobody has a handle of.
    const ended = { exchangeId, spiffeId: step.spiffeId, names: stepNamesOf(step), handle, others: [] };
    await target.end?.(ended).catch(() => undefined);
    await ports.endings.answer(exchangeId, { kind: "failed", failure: "could not be kept", mayExist: true });
    throw new BrokerError("NOT_SERVING", `what ends a secret of ${target.name} can't be kept`, { cause: thrown });
  }
}

/** A close that came meanwhile ends what was issued; there is no use in handing it out. */
async function deliver(
  { intent, step }: Intended,
  { secret, expiresAt }: IssuedSecret,
  ports: ExchangePorts,
): Promise<GivenSecret> {
  const state = (await ports.stepDirectory.byId(step.stepId))?.state ?? "REVOKED";
  if (!permits(state)) throw new BrokerError("STEP_CLOSED", `the step is ${state}`, { metadata: { state } });
  const { exchangeId, target, kind, endable } = intent;
  const ends = Math.min(expiresAt, intent.expiresAt) as UnixSeconds;
  return { exchangeId, target, kind, endable, secret, expiresAt: endable ? ends : expiresAt };
}
