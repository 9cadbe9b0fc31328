import type { Config } from "../config/config.ts";
import type { TracingConfig } from "../config/tracing-section.ts";
import type { DenialRecorder } from "../decide/record-denial.ts";
import type { Refusee } from "../decide/refused-caller.ts";
import type { Decision } from "../domain/decision.ts";
import type { KnownPrincipal, RecordedPrincipal } from "../domain/principal.ts";
import type { Selector } from "../domain/selector.ts";
import type { SentDelivery, SentDraft } from "../issue/issue-apart.ts";

/** What a front end is told before it begins; JSON. Nothing in it is a secret. */
export type FrontSettings = Pick<Config, "issuer" | "statusLists"> & {
  readonly ledgerDirectory: string;
  /** Of a ledger that several brokers share; absent: all authorities are this broker's. */
  readonly shared?: {
    readonly replica: string;
    /** Authorities from before the ledger was shared whose keys are here. */
    readonly heldBefore: readonly string[];
  };
  readonly logLevel: Config["log"]["level"];
  readonly tracing?: TracingConfig;
};

/** What a front end asks the process of the ledger for, and the answer to each; JSON. */
export type FrontQuestions = {
  readonly issue: Asked<readonly SentDraft[], readonly SentDelivery[]>;
  readonly deny: Asked<SentDenial, string>;
  readonly principal: Asked<RecordedPrincipal, KnownPrincipal | undefined>;
};

type Asked<Given, Answer> = { readonly given: Given; readonly answer: Answer };

type SentDenial = {
  readonly decision: Decision;
  readonly refusee?: Omit<Refusee, "selectors"> & { readonly selectors?: readonly Selector[] };
};

/** How a front end asks. */
export type AskLedger = <Question extends keyof FrontQuestions>(
  question: Question,
  given: FrontQuestions[Question]["given"],
) => Promise<FrontQuestions[Question]["answer"]>;

export function sentDenial(decision: Decision, refusee: Refusee | undefined): SentDenial {
  if (refusee === undefined) return { decision };
  const { selectors, ...rest } = refusee;
  return { decision, refusee: { ...rest, ...(selectors === undefined ? {} : { selectors: [...selectors] }) } };
}

export function recordSent({ decision, refusee }: SentDenial, denials: DenialRecorder): Promise<string> {
  if (refusee === undefined) return denials.record(decision, undefined);
  const { selectors, ...rest } = refusee;
  return denials.record(decision, {
    ...rest,
    ...(selectors === undefined ? {} : { selectors: new Set(selectors) }),
  });
}
