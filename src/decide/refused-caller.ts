import type { RefusedCaller } from "../domain/decision.ts";
import { LIMITS } from "../domain/limits.ts";
import { isRemote } from "../domain/process.ts";
import type { Evidence } from "../ports/attestor.ts";

/** Who is refused: all of the evidence, or no more than the uid of a process of which nothing can be known any more. */
export type Refusee = Pick<Evidence, "uid"> & Partial<Pick<Evidence, "selectors" | "process" | "executable">>;

/** Selectors that name the executable by its path, or repeat its digest. */
const OF_EXECUTABLE = ["unix:path:", "unix:sha256:"] as const;

/** What the ledger keeps of a caller that was refused. */
export function refusedCaller({ uid, selectors = new Set(), process, executable }: Refusee): RefusedCaller {
  const isLocal = process === undefined || !isRemote(process);
  const digest = digestIn(selectors);
  return {
    ...(isLocal && uid >= 0 ? { uid } : {}),
    ...(executable === undefined ? {} : { executable: executable.slice(executable.lastIndexOf("/") + 1) }),
    ...(digest === undefined ? {} : { executableSha256: digest }),
    selectors: kept([...selectors].sort()),
  };
}

/** The digest of the executable, where it was part of the attestation. */
export function digestIn(selectors: ReadonlySet<string>): string | undefined {
  const [, prefix] = OF_EXECUTABLE;
  for (const selector of selectors) if (selector.startsWith(prefix)) return selector.slice(prefix.length);
  return undefined;
}

function kept(selectors: readonly string[]): readonly string[] {
  let left: number = LIMITS.refusedSelectorsBytesMax;
  return selectors.filter((selector) => {
    if (OF_EXECUTABLE.some((prefix) => selector.startsWith(prefix))) return false;
    const bytes = Buffer.byteLength(JSON.stringify(selector));
    if (bytes > left) return false;
    left -= bytes;
    return true;
  });
}

/** What is the same of two callers that one decision stands for. */
export function commonCaller(one: RefusedCaller, other: RefusedCaller): RefusedCaller {
  const { uid, executable, executableSha256 } = one;
  const others = new Set(other.selectors);
  return {
    ...(uid !== undefined && uid === other.uid ? { uid } : {}),
    ...(executable !== undefined && executable === other.executable ? { executable } : {}),
    ...(executableSha256 !== undefined && executableSha256 === other.executableSha256 ? { executableSha256 } : {}),
    selectors: one.selectors.filter((selector) => others.has(selector)),
  };
}

/** A refusal's text, cut to what the ledger keeps of it. */
export function refusalText(message: string): string {
  const bytes = Buffer.from(message);
  if (bytes.length <= LIMITS.refusalBytesMax) return message;
  // A character that was cut in two is left out.
  return `${new TextDecoder().decode(bytes.subarray(0, LIMITS.refusalBytesMax - 3)).replace(/\ufffd+$/, "")}…`;
}
