import type { JsonObject } from "../../domain/strict-json.ts";
import type { ToolDefinition } from "../../domain/tool-definition.ts";
import { type ToolVerdict, VerificationError, type VerifiedStep } from "../verifier/index.ts";
import { AMBIGUOUS, createListedTools } from "./listed-tools.ts";

/** Looks at a server's whole list of tools as the step. @throws what reading it throws, where it can't be read */
export type LookAtList = (page: (result: JsonObject, isFirst: boolean) => Promise<void>) => Promise<void>;

/** What is known of the tools that a server shows, and which of them may be called as they are. */
export type ToolDefinitions = {
  /** Takes note of a page of a list, and learns what the broker says of what is new on it. Never throws. */
  listed(result: JsonObject, caller: VerifiedStep, isFirst: boolean): Promise<void>;
  /**
   * Makes sure that it is known what a tool is, and what the broker says of that now: asks the server where nobody has been shown the tool
   * yet, and the broker where its word is old. Never throws: what could not be known is refused by `check`.
   */
  look(tool: string, caller: VerifiedStep, list: LookAtList): Promise<void>;
  /** Digest of what the caller is shown; `undefined` where that is not known. */
  digest(tool: string, caller: VerifiedStep): string | undefined;
  /** Whether the caller may be shown the tool as it is. */
  isShown(tool: string, caller: VerifiedStep): boolean;
  /**
   * Refuses a tool that is not as it is pinned.
   *
   * @param isCall - a call of the tool itself; what else takes its grant takes no tool, and none need be there.
   * @throws VerificationError TOOL_NOT_ACCEPTED, UNAVAILABLE
   */
  check(tool: string, caller: VerifiedStep, isCall: boolean): void;
};

export type ToolDefinitionsTerms = {
  readonly resource: string;
  /** The tools that may be called at all. */
  readonly declared: ReadonlyMap<string, unknown>;
  /** Asks the broker; absent: nothing is pinned here. */
  readonly ask?: ((tools: readonly ToolDefinition[]) => Promise<ReadonlyMap<string, ToolVerdict>>) | undefined;
  /** Whether the server is asked for its tools before the first call. Otherwise only for steps that need it. */
  readonly looksFirst: boolean;
  /** Told of each definition that is refused, once. */
  readonly refused: (tool: string, verdict: ToolVerdict) => void;
  readonly onError: (thrown: unknown) => void;
  readonly nowMs: () => number;
};

/** The broker's word is looked up again after this long, beside the call that is being served. */
const FRESH_MS = 10_000;
/** After this long the call waits for it; as long as a verifier may be without the broker's feed. */
const STALE_MS = 60_000;
/** An operator may have accepted meanwhile what was refused. */
const REFUSED_MS = 1_000;
/** A server that showed no such tool is not asked again for each call. */
const LOOKED_MS = 10_000;

type Word = { readonly verdict: ToolVerdict; readonly atMs: number };

export function createToolDefinitions(terms: ToolDefinitionsTerms): ToolDefinitions {
  const { resource, ask, looksFirst, refused, onError, nowMs } = terms;
  const tools = createListedTools(terms.declared);
  /** What the broker has said, by tool and digest; of each tool no more than are listed. */
  const words = new Map<string, Map<string, Word>>();
  /** When the server was asked for its tools in vain, by caller. */
  const looked = new Map<string, number>();
  const asking = new Map<string, Promise<void>>();
  /** The newest look at the server's list that is under way. Never rejects. */
  let looking: Promise<boolean> | undefined;

  async function learn(shown: readonly ToolDefinition[]): Promise<void> {
    if (ask === undefined || shown.length === 0) return;
    try {
      const verdicts = await ask(shown);
      const atMs = nowMs();
      for (const { tool, sha256 } of shown) said(tool, sha256, { verdict: verdicts.get(tool) ?? "unknown", atMs });
    } catch (thrown) {
      onError(thrown);
    }
  }

  function said(tool: string, sha256: string, word: Word): void {
    const before = words.get(tool)?.get(sha256);
    if (word.verdict !== "pinned" && before?.verdict !== word.verdict) refused(tool, word.verdict);
    const kept = [...(words.get(tool) ?? [])].filter(([one]) => tools.definition(tool, one) !== undefined);
    words.set(tool, new Map([...kept, [sha256, word]]));
  }

  /** One question for all that ask for the same at one time. */
  function learnTogether(shown: ToolDefinition): Promise<void> {
    const key = `${shown.tool} ${shown.sha256}`;
    const running = asking.get(key) ?? learn([shown]).finally(() => asking.delete(key));
    asking.set(key, running);
    return running;
  }

  const digest = (tool: string, { spiffeId }: VerifiedStep) => tools.digest(tool, spiffeId);

  function wordOn(tool: string, caller: VerifiedStep): Word | undefined {
    return words.get(tool)?.get(digest(tool, caller) ?? "");
  }

  /** Whether nothing is let through, or kept out, by it any more. */
  function isOld(word: Word | undefined): boolean {
    return word === undefined || nowMs() - word.atMs > (word.verdict === "pinned" ? STALE_MS : REFUSED_MS);
  }

  /** What one step is shown is as good for the first calls of others, which wait for it; and where it can't be read, it can't be for them. */
  async function lookTogether(tool: string, caller: VerifiedStep, list: LookAtList): Promise<void> {
    if (looking !== undefined) {
      const wasRead = await looking;
      if (!wasRead || digest(tool, caller) !== undefined) return;
    }
    const look = lookAtServer(caller, list);
    looking = look;
    await look;
    if (looking === look) looking = undefined;
  }

  /** @returns whether the list could be read. */
  async function lookAtServer(caller: VerifiedStep, list: LookAtList): Promise<boolean> {
    const { spiffeId } = caller;
    if (nowMs() - (looked.get(spiffeId) ?? Number.NEGATIVE_INFINITY) < LOOKED_MS) return true;
    try {
      await list((result, isFirst) => note(result, caller, isFirst));
    } catch (thrown) {
      onError(thrown);
      return false;
    }
    looked.delete(spiffeId);
    looked.set(spiffeId, nowMs());
    const [oldest] = looked.keys();
    if (looked.size > LOOKED_CALLERS_MAX && oldest !== undefined) looked.delete(oldest);
    return true;
  }

  async function note(result: JsonObject, caller: VerifiedStep, isFirst: boolean): Promise<void> {
    const shown = tools.note(result, caller.spiffeId, isFirst);
    await learn(shown.filter(({ tool, sha256 }) => isOld(words.get(tool)?.get(sha256))));
  }

  return {
    listed: note,
    async look(tool, caller, list) {
      const isNeeded =
        looksFirst || ask !== undefined || caller.grant.some((one) => one.definition_sha256 !== undefined);
      if (isNeeded && digest(tool, caller) === undefined) await lookTogether(tool, caller, list);
      const shown = tools.definition(tool, digest(tool, caller) ?? "");
      if (ask === undefined || shown === undefined) return;
      const word = wordOn(tool, caller);
      if (isOld(word)) await learnTogether(shown);
      else if (word !== undefined && nowMs() - word.atMs > FRESH_MS) void learnTogether(shown);
    },
    digest(tool, caller) {
      const sha256 = digest(tool, caller);
      return sha256 === AMBIGUOUS ? undefined : sha256;
    },
    isShown(tool, caller) {
      if (digest(tool, caller) === AMBIGUOUS) return false;
      return ask === undefined || wordOn(tool, caller)?.verdict === "pinned";
    },
    check(tool, caller, isCall) {
      if (ask === undefined) return;
      const sha256 = digest(tool, caller);
      if (sha256 === undefined) {
        if (!isCall && looked.has(caller.spiffeId)) return;
        throw unseen(looked.has(caller.spiffeId));
      }
      if (sha256 === AMBIGUOUS)
        throw notAccepted("ambiguous", "the server shows two definitions of the tool, or none that can be read");
      const word = wordOn(tool, caller);
      if (word === undefined || nowMs() - word.atMs > 2 * STALE_MS) {
        throw new VerificationError("UNAVAILABLE", "the broker has not said whether the tool is as it is pinned");
      }
      if (word.verdict !== "pinned")
        throw notAccepted(word.verdict, `${WHY[word.verdict]}: stint tool show ${resource} ${tool}`);
    },
  };
}

/** As many as have lists of their own. */
const LOOKED_CALLERS_MAX = 1_000;

const WHY = {
  changed: "the tool's definition is not the one that is pinned, and no operator has accepted it",
  waiting: "no operator has accepted the tool's definition yet",
  unknown: "the tool's definition is too large to be pinned, or the broker does not know it",
} as const satisfies Record<Exclude<ToolVerdict, "pinned">, string>;

function notAccepted(definition: string, message: string): VerificationError {
  return new VerificationError("TOOL_NOT_ACCEPTED", message, { definition });
}

function unseen(wasLooked: boolean): VerificationError {
  return wasLooked
    ? notAccepted("unseen", "the server does not list the tool, so that there is no definition to be pinned")
    : new VerificationError("UNAVAILABLE", "the server does not say what its tools are, and a call of one needs that");
}
