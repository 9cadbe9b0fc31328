import { readFileSync } from "node:fs";
import { extname } from "node:path";
import { createFrontPool, type FrontPool } from "../adapters/front-processes/front-pool.ts";
import type { FrontServing } from "../adapters/front-processes/front-process.ts";
import type { Config } from "../config/config.ts";
import type { DenialRecorder } from "../decide/record-denial.ts";
import type { Authority } from "../domain/authority.ts";
import type { SentDelivery } from "../issue/issue-apart.ts";
import { type IssueHerePorts, issueHere } from "../issue/issue-apart.ts";
import type { AuthorityDirectory } from "../ports/directories.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { Log } from "../ports/log.ts";
import type { PrincipalVault } from "../ports/principal-vault.ts";
import type { Signer } from "../ports/signer.ts";
import { type FrontQuestions, type FrontSettings, recordSent } from "./front-questions.ts";

/** The program is TypeScript in a checkout and JavaScript in the package, as this file is. */
const ENTRY = new URL(`./front-worker${extname(import.meta.url)}`, import.meta.url);

/** The front ends that the configuration asks for; `undefined` where this process serves everybody by itself. */
export function openFrontEnds({ workers }: Config, log: Log): FrontPool | undefined {
  if (workers === 0) return undefined;
  return createFrontPool({
    entry: ENTRY,
    count: workers,
    connectionsMax: connectionsMax(),
    lost: ({ front, why }) => log.recurring("a front end ended, and is started again", { front, why }),
  });
}

/** Of a connection a front end has its socket, its process, a look at its first bytes, and what calls are sent on by. */
const DESCRIPTORS_PER_CONNECTION = 4;
/** For all else that a front end has open. */
const DESCRIPTORS_KEPT = 64;

/** A front end may have as many descriptors as this process. */
function connectionsMax(): number {
  const [, descriptors] = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
  return Math.max(0, Math.floor((Number(descriptors ?? 0) - DESCRIPTORS_KEPT) / DESCRIPTORS_PER_CONNECTION));
}

/** Tells front ends how far the ledger is. @returns ends it */
export function followElsewhere(ledger: Pick<Ledger, "follow" | "head">, frontEnds: FrontPool): () => void {
  const take = ({ sequence }: { readonly sequence: number }) => frontEnds.committed(sequence);
  return ledger.follow({ name: "front ends", take }, ledger.head().sequence).end;
}

/** Takes a line that a front end wrote for the log. */
export type PassOn = (line: string, front: number) => void;

/** What front ends are started with. */
export function frontSettings(
  {
    ledgerDirectory,
    authorities,
    signer,
  }: {
    readonly ledgerDirectory: string;
    readonly authorities: Pick<AuthorityDirectory, "all">;
    readonly signer: Pick<Signer, "holds">;
  },
  { issuer, statusLists, log, tracing, ledger: { postgres } }: Config,
): FrontSettings {
  const isHeldBefore = ({ replica, authorityId }: Authority) => replica === undefined && signer.holds(authorityId);
  const heldBefore = authorities.all().filter(isHeldBefore);
  return {
    ...{ issuer, statusLists, ledgerDirectory, logLevel: log.level },
    ...(tracing !== undefined && { tracing }),
    ...(postgres !== undefined && {
      shared: { replica: postgres.replica, heldBefore: heldBefore.map(({ authorityId }) => authorityId) },
    }),
  };
}

export type FrontAnswersPorts = IssueHerePorts & {
  readonly denials: DenialRecorder;
  readonly principals: Pick<PrincipalVault, "open">;
  readonly failed: (error: unknown) => void;
};

/** What front ends are answered. */
export function frontAnswers(
  ports: FrontAnswersPorts,
): Pick<FrontServing, "answer" | "unheard" | "failed" | "suspended"> {
  const answers: { readonly [Question in keyof FrontQuestions]: AnswerOf<Question> } = {
    issue: (drafts) => issueHere(drafts, ports),
    deny: (denial) => recordSent(denial, ports.denials),
    principal: (recorded) => ports.principals.open(recorded),
  };
  return {
    async answer(question, given) {
      // A front end is this very program: its questions are those of the table.
      return answers[question as keyof FrontQuestions](given as never);
    },
    unheard(question, result) {
      if (question !== "issue") return;
      for (const one of result as readonly SentDelivery[]) {
        if (one.kind === "denial") continue;
        const { issuanceId } = one;
        ports.ledger.perform({ act: "mark-undelivered", issuanceId, now: ports.clock.now() }).catch(ports.failed);
      }
    },
    failed: ports.failed,
    suspended: ports.gate.refusal,
  };
}

type AnswerOf<Question extends keyof FrontQuestions> = (
  given: FrontQuestions[Question]["given"],
) => Promise<FrontQuestions[Question]["answer"]>;
