import { type Diagnosis, error, warning } from "./diagnosis.ts";
import { firstClosed, mayAct, octal, type PathFacts, READ } from "./paths.ts";
import { type User, userText } from "./users.ts";

export type FileFacts = {
  /** Key of the setting that names it. */
  readonly setting: string;
  /** What its path leads to. */
  readonly file: PathFacts;
  readonly above: readonly PathFacts[];
  readonly daemon: User;
};

/** Whether the daemon's user may read a file: root, who looks, may read all of them. What is in it is looked at elsewhere. */
export function checkReadable({ setting, file, above, daemon }: FileFacts): readonly Diagnosis[] {
  const name = userText(daemon);
  const why = "stintd does not start";
  const closed = firstClosed(daemon, above);
  if (closed !== undefined) {
    const what = `${setting}: ${name} can't go through ${closed.path} (mode ${octal(closed.mode)})`;
    return [error("files", { what, why, mend: `chmod o+x ${closed.path}, or a copy elsewhere` })];
  }
  if (file.kind !== "file" || mayAct(daemon, file, READ)) return [];
  const what = `${setting}: ${name} can't read ${file.path} (mode ${octal(file.mode)}, uid ${file.uid})`;
  return [error("files", { what, why, mend: `chgrp ${name} ${file.path} && chmod g+r ${file.path}` })];
}

const ROOT = 0;
const WRITE_FOR_OTHERS = 0o022;

/** A reload refuses what a start, which a person looks on at, takes. */
export function checkUnchanged(file: PathFacts, daemon: User): readonly Diagnosis[] {
  const isOpen = (file.mode & WRITE_FOR_OTHERS) !== 0;
  if (!isOpen && [ROOT, daemon.uid].includes(file.uid)) return [];
  const what = `others than root and ${userText(daemon)} may write to ${file.path} (mode ${octal(file.mode)}, uid ${file.uid})`;
  const why = "whoever writes there says who is what; a reload (SIGHUP) is refused";
  return [warning("files", { what, why, mend: `chown root: ${file.path} && chmod 0644 ${file.path}` })];
}
