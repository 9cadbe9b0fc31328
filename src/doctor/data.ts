import { type Diagnosis, error, ok, skipped } from "./diagnosis.ts";
import { firstClosed, isOpenToAll, mayAct, octal, type PathFacts, WRITE } from "./paths.ts";
import { type User, userText } from "./users.ts";

const OWNER_ONLY = 0o700;
const OTHERS = 0o077;
/** More of one kind are mended by the same command. */
const TOLD_MAX = 3;

export type DataFacts = {
  /** The directory that is configured. */
  readonly directory: PathFacts;
  /** The directories above it as they really are, the topmost first. */
  readonly above: readonly PathFacts[];
  /** All that is in it and in the directories of it; `undefined` where that can't be seen. */
  readonly content: readonly PathFacts[] | undefined;
  readonly daemon: User | undefined;
};

/** Whether keys and ledger are, or can be, where nobody but the broker gets at them. */
export function checkData({ directory, above, content, daemon }: DataFacts): readonly Diagnosis[] {
  const found = ofWay(directory, above, daemon);
  if (found.length > 0) return found;
  if (directory.kind === "none") return ofMissing(directory, above, daemon);
  if (directory.kind === "hidden") {
    return [skipped("data", `${directory.path} can't be seen: run stint doctor as root or as the daemon's user`)];
  }
  if (directory.kind !== "directory") {
    const why = "stintd refuses all but a directory itself, links too: somebody else may say where a link leads";
    return [
      error("data", {
        what: `${directory.path} is no directory`,
        why,
        mend: `another data_directory, or remove ${directory.path}`,
      }),
    ];
  }
  return ofContent(directory, content);
}

/** Whoever may rename a directory on the way can put one of their own there. */
function ofWay({ path }: PathFacts, above: readonly PathFacts[], daemon: User | undefined): readonly Diagnosis[] {
  const open = above.find(isOpenToAll);
  if (open !== undefined) {
    const why = `anybody may put another directory in the place of ${path}: stintd does not start`;
    return [
      error("data", {
        what: `${open.path} is writable by everybody (mode ${octal(open.mode)})`,
        why,
        mend: `chmod o-w ${open.path}`,
      }),
    ];
  }
  const closed = daemon === undefined ? undefined : firstClosed(daemon, above);
  if (closed === undefined || daemon === undefined) return [];
  const what = `${userText(daemon)} can't go through ${closed.path} (mode ${octal(closed.mode)})`;
  const why = `stintd can't reach ${path}`;
  return [error("data", { what, why, mend: `chmod o+x ${closed.path}, or another data_directory` })];
}

function ofMissing({ path }: PathFacts, above: readonly PathFacts[], daemon: User | undefined): readonly Diagnosis[] {
  const parent = above.at(-1);
  if (daemon === undefined) return [skipped("data", `${path} is not there yet, and neither is a user for the daemon`)];
  const name = userText(daemon);
  const mend = `install -d -o ${name} -g ${name} -m 0700 ${path}`;
  const why =
    "stintd does not start: it makes the directory itself only where its user may write to the one above, which has to be there";
  const isMadeAtStart = parent?.path === parentOf(path) && mayAct(daemon, parent, WRITE);
  if (isMadeAtStart) return [ok("data", `${path} is not there yet, and is made at the first start`)];
  return [error("data", { what: `${path} is not there, and ${name} can't make it`, why, mend })];
}

function ofContent(directory: PathFacts, content: readonly PathFacts[] | undefined): readonly Diagnosis[] {
  const { path, uid } = directory;
  const why = "stintd does not start: others could read or change keys and ledger";
  const found: Diagnosis[] = [];
  if ((directory.mode & 0o777) !== OWNER_ONLY) {
    found.push(
      error("data", {
        what: `${path} has mode ${octal(directory.mode)}, expected 0700`,
        why,
        mend: `chmod 0700 ${path}`,
      }),
    );
  }
  if (content === undefined) {
    const mend = "run stint doctor as root or as the daemon's user";
    return [...found, skipped("data", `what is in ${path} is shown to root and to the daemon's user alone`, mend)];
  }
  const foreign = content.filter((one) => one.uid !== uid);
  if (foreign.length > 0) {
    const whose = `${named(foreign)} belong${foreign.length === 1 ? "s" : ""} to another user than ${path}`;
    const mend = `chown -R --reference=${path} ${path}, while no broker runs`;
    found.push(error("data", { what: whose, why: "stintd can't use them, as after a start as root", mend }));
  }
  for (const [kind, mode] of [
    ["directory", 0o700],
    ["file", 0o600],
  ] as const) {
    const loose = content.filter((one) => one.kind === kind && isPrivate(one, directory) && (one.mode & OTHERS) !== 0);
    if (loose.length === 0) continue;
    const mend = `chmod ${octal(mode)} ${loose.map((one) => one.path).join(" ")}`;
    found.push(
      error("data", {
        what: `${named(loose)}: open to others than the broker, expected mode ${octal(mode)}`,
        why,
        mend,
      }),
    );
  }
  return found.length > 0 ? found : [ok("data", `${path} and what is in it is the daemon's user's alone`)];
}

/** Databases are closed to others by their directory. */
function isPrivate({ path, kind }: PathFacts, directory: PathFacts): boolean {
  const [top] = path.slice(directory.path.length + 1).split("/");
  return kind === "directory" || (top !== "ledger" && top !== "replica");
}

function named(some: readonly PathFacts[]): string {
  const told = some.slice(0, TOLD_MAX).map(({ path }) => path);
  return some.length > TOLD_MAX ? `${told.join(", ")} and ${some.length - TOLD_MAX} more` : told.join(", ");
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf("/")));
}
