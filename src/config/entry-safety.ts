import { basename } from "node:path";
import { type KernelUser, mayBeUser, mayShareUser } from "../domain/entry-users.ts";
import type { LocalAccounts } from "../domain/local-accounts.ts";
import type { EntryContent } from "../domain/registration-entry.ts";
import { kindOf, namesNode, type Selector, typeOf } from "../domain/selector.ts";

/** What an entry's selectors let happen together, though each by itself is fit. */
export type SafetyFinding = {
  readonly entry: number;
  readonly severity: "refusal" | "warning";
  readonly message: string;
};

/** Programs that run whatever script they are given, so that their path says nothing about what runs. */
const INTERPRETER =
  /^(?:(?:node|nodejs|deno|bun|python|pypy|ruby|perl|php|lua|tclsh)[0-9.]*|java|dotnet|Rscript|env|busybox|(?:ba|da|z|k|mk|c|tc|fi|a)?sh)$/;
const OF_A_PROCESS = new Set(["unix", "systemd"]);
const NAMES_A_USER = new Set(["unix:uid", "unix:user"]);
/** Names of service accounts and pods are given in each namespace anew. */
const ONE_IN_A_CLUSTER = ["k8s:ns", "k8s:sa-uid", "k8s:pod-uid"];
const NAMES_A_PROGRAM = new Set(["unix:path", "unix:sha256"]);

/**
 * Finds entries under which one party could pass for another.
 *
 * An agent under the broker's own user could read the broker's keys, and an agent under an operator's user could
 * administer the broker: the kernel tells users apart, not the programs of one user.
 *
 * @param own.user - the user that the broker runs as.
 * @param own.development - permits agents under the broker's and operators' users: in development everything is one
 *   user's.
 */
export function checkEntrySafety(
  entries: readonly EntryContent[],
  own: { readonly user: KernelUser; readonly development: boolean },
  accounts: LocalAccounts,
): readonly SafetyFinding[] {
  const operators = entries.filter(({ kind }) => kind === "operator");
  return entries.flatMap((content, entry): readonly SafetyFinding[] => {
    const found: SafetyFinding[] = [];
    if (content.kind === "agent" && !own.development) {
      const { selectors } = content;
      const refuse = (whose: string): void => {
        found.push({
          entry,
          severity: "refusal",
          message: `expected an agent under a user of its own, not ${whose} (development aside)`,
        });
      };
      if (mayBeUser(selectors, own.user, accounts)) refuse("the broker's");
      else if (operators.some((one) => mayShareUser(selectors, one.selectors, accounts))) refuse("an operator's");
    }
    // An operator is a person, who may use any program.
    const weakness =
      weaknessOfEvidence(content.selectors) ??
      (content.kind === "operator" ? undefined : weaknessOfProcess(content.selectors));
    if (weakness !== undefined) found.push({ entry, severity: "warning", message: weakness });
    const unknown = unknownAccount(content.selectors, accounts);
    if (unknown !== undefined) found.push({ entry, severity: "warning", message: unknown });
    return found;
  });
}

/** The attestor knows names by the same files: without a line there, no process has the name. */
function unknownAccount(selectors: readonly Selector[], { users, groups }: LocalAccounts): string | undefined {
  // Of another machine's accounts nothing is known here.
  if (namesNode(selectors)) return undefined;
  for (const one of selectors) {
    const isKnown = ({ name }: { readonly name: string }) => name === attributeOf(one);
    if (kindOf(one) === "unix:user" && !users.some(isKnown)) return notThere("user", "/etc/passwd", "unix:uid");
    if (kindOf(one) === "unix:group" && !groups.some(isKnown)) return notThere("group", "/etc/group", "unix:gid");
  }
  return undefined;
}

function notThere(what: string, file: string, instead: string): string {
  return `nobody matches: ${file} has no ${what} of this name; one that only a directory service knows is named by ${instead}`;
}

/** An issuer, a cluster or a CA alone is the same for everybody: only further selectors say whose the evidence is. */
function weaknessOfEvidence(selectors: readonly Selector[]): string | undefined {
  const kinds = new Set(selectors.map(kindOf));
  if (kinds.has("k8s:cluster") && !ONE_IN_A_CLUSTER.some((one) => kinds.has(one))) {
    return "pods of every namespace of this cluster match; a k8s:ns would name one";
  }
  if (kinds.size !== 1) return undefined;
  if (kinds.has("oidc:iss")) {
    return "every token of this issuer matches, whoever's it is; an oidc:sub or oidc:claim would name one";
  }
  return kinds.has("x509pop:ca")
    ? "every certificate of this CA matches; an x509pop:subject, x509pop:san or x509pop:serial_number would name one"
    : undefined;
}

function weaknessOfProcess(selectors: readonly Selector[]): string | undefined {
  if (!selectors.some((one) => OF_A_PROCESS.has(typeOf(one)))) return undefined;
  // A system service is started by root, as the user and the program that its unit says.
  if (selectors.some((one) => kindOf(one) === "systemd:unit")) return undefined;
  const programs = selectors.filter((one) => NAMES_A_PROGRAM.has(kindOf(one)));
  if (programs.length === 0) return "every program of these users matches; a unix:path or unix:sha256 would name one";
  const onlyInterpreters = programs.every(
    (one) => kindOf(one) === "unix:path" && INTERPRETER.test(basename(attributeOf(one))),
  );
  if (onlyInterpreters) return "this program runs any script, so every script of these users matches";
  return selectors.some((one) => NAMES_A_USER.has(kindOf(one)))
    ? undefined
    : "this program matches under every user; a unix:uid would name one";
}

function attributeOf(selector: Selector): string {
  return selector.slice(kindOf(selector).length + 1);
}
