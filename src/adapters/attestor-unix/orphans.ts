import type { Place } from "../../domain/descent.ts";
import { isFirstOfNamespace, type Parentage, readControlGroups } from "./process-facts.ts";
import { controlGroupOf } from "./systemd-unit.ts";

type Known = Parentage & { readonly pid: number };

/**
 * Programs that take in the orphans below them although they are not the first process of a namespace (`subreaper` of
 * prctl(2)). The kernel shows nobody which processes do, so they are known by name, as /proc cuts it: 15 bytes.
 */
const SUBREAPERS: ReadonlySet<string> = new Set([
  "systemd",
  "init",
  "containerd-shim",
  "conmon",
  "tini",
  "dumb-init",
  "docker-init",
  "catatonit",
  "s6-svscan",
  "bwrap",
]);

/**
 * Where a process is, if it may be an orphan that its parent took in.
 *
 * @param parent - absent for the first process that can be seen, which nobody took in.
 */
export function orphanPlace(own: Known, parent: Known | undefined): Place | undefined {
  return parent !== undefined && (takesIn(parent) || isTakenIn(own, parent)) ? placeIn(own) : undefined;
}

/** Where a process is, by what was read of it and its control group now. */
export function placeIn({ pid, session }: Known): Place {
  const groups = readControlGroups(pid);
  return { session, ...(typeof groups === "string" ? { controlGroup: controlGroupOf(groups) } : {}) };
}

function takesIn({ pid, name }: Known): boolean {
  if (pid === 1 || SUBREAPERS.has(name)) return true;
  // What can't be read of a process may be so.
  return isFirstOfNamespace(pid) !== false;
}

/** A child is in the session of the process that started it, or in one of its own: else another process started it. */
function isTakenIn(own: Known, parent: Known): boolean {
  return own.session !== parent.session && own.session !== own.pid;
}
