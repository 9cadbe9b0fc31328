import type { Lineage } from "../../domain/descent.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { NodeName } from "../../domain/node-name.ts";
import type { NodeFacts } from "../../domain/node-report.ts";
import { formatProcess, type ProcessIdentity, processOfNode, sameProcess } from "../../domain/process.ts";
import { nodeSelectors } from "../../domain/selector.ts";
import type { Cancel, Clock } from "../../ports/clock.ts";
import type { NodeLink, Nodes } from "../../ports/nodes.ts";

/** What is known of one node's machine. Processes are named with the node's name. */
export type KnownMachine = {
  attend(link: NodeLink): ReturnType<Nodes["attend"]>;
  isAttended(): boolean;
  watch(process: ProcessIdentity, gone: () => void): Cancel;
  tell(facts: NodeFacts): void;
  /** No process has this pid any more. */
  forget(process: Pick<ProcessIdentity, "bootId" | "pidNamespace" | "pid">): void;
  facts(process: ProcessIdentity): NodeFacts | undefined;
  find(pid: number, beside: ProcessIdentity): NodeFacts | undefined;
  dismiss(): void;
};

type Watched = { readonly process: ProcessIdentity; readonly watchers: Set<{ readonly gone: () => void }> };

/** A node's facts of a process, named and selected as the broker does it. */
export function factsOfNode(node: NodeName, facts: NodeFacts): NodeFacts {
  const { process, selectors, lineage } = facts;
  return {
    ...facts,
    process: processOfNode(node, process),
    selectors: new Set([...selectors, ...nodeSelectors(node)]),
    lineage: lineageOfNode(node, lineage),
  };
}

function lineageOfNode(node: NodeName, lineage: Lineage): Lineage {
  if (lineage.kind === "untold") return lineage;
  return {
    kind: "lineage",
    chain: lineage.chain.map((link) => ({ ...link, process: processOfNode(node, link.process) })),
  };
}

function pidOf({ bootId, pidNamespace, pid }: Pick<ProcessIdentity, "bootId" | "pidNamespace" | "pid">): string {
  return `${bootId}/${pidNamespace}/${pid}`;
}

/**
 * Watches processes through a node. Of a node that is not there, nothing is known: its processes count as alive for as long
 * as it may come back, and then as gone.
 *
 * @param emptied - called when nothing is left that anybody wants to know.
 */
export function createMachine({
  clock,
  absentMs,
  emptied,
}: {
  readonly clock: Pick<Clock, "schedule">;
  readonly absentMs: number;
  readonly emptied: () => void;
}): KnownMachine {
  const watched = new Map<string, Watched>();
  /** By pid, so that what was told of a process before gives way to the one that has its pid now; the oldest first. */
  const told = new Map<string, NodeFacts>();
  let link: NodeLink | undefined;
  let cancelLapse: Cancel | undefined;

  function end(one: Watched): void {
    const key = formatProcess(one.process);
    if (watched.get(key) !== one) return;
    watched.delete(key);
    forget(one.process);
    // Each watcher in a microtask of its own: one that throws must not keep the others from being told.
    for (const watcher of one.watchers) {
      queueMicrotask(() => {
        if (one.watchers.delete(watcher)) watcher.gone();
      });
    }
  }

  function forget(process: Parameters<KnownMachine["forget"]>[0]): void {
    told.delete(pidOf(process));
  }

  function lapse(): void {
    cancelLapse?.();
    cancelLapse = undefined;
    for (const one of [...watched.values()]) end(one);
    told.clear();
    forgetIfEmpty();
  }

  function waitForNode(): void {
    cancelLapse ??= clock.schedule(absentMs, lapse);
  }

  function forgetIfEmpty(): void {
    if (link !== undefined || watched.size > 0) return;
    cancelLapse?.();
    emptied();
  }

  function leave(left: NodeLink): void {
    if (link !== left) return;
    link = undefined;
    if (watched.size === 0) lapse();
    else waitForNode();
  }

  function tell(facts: NodeFacts): void {
    const key = pidOf(facts.process);
    told.delete(key);
    told.set(key, facts);
    for (const oldest of told.keys()) {
      if (told.size <= LIMITS.processesPerNodeMax) break;
      told.delete(oldest);
    }
  }

  return {
    attend(next) {
      const last = link;
      link = next;
      last?.replaced();
      cancelLapse?.();
      cancelLapse = undefined;
      for (const { process } of watched.values()) next.watch(process);
      return {
        seen: tell,
        gone(process) {
          const one = watched.get(formatProcess(process));
          if (one !== undefined) end(one);
        },
        end: () => leave(next),
      };
    },
    isAttended: () => link !== undefined,
    watch(process, gone) {
      const key = formatProcess(process);
      const one = watched.get(key) ?? { process, watchers: new Set() };
      const isNew = !watched.has(key);
      watched.set(key, one);
      if (isNew && link !== undefined) link.watch(process);
      if (link === undefined) waitForNode();
      const watcher = { gone };
      one.watchers.add(watcher);
      return () => {
        one.watchers.delete(watcher);
        if (one.watchers.size > 0 || watched.get(key) !== one) return;
        watched.delete(key);
        link?.unwatch(process);
        forgetIfEmpty();
      };
    },
    tell,
    forget,
    facts(process) {
      const facts = told.get(pidOf(process));
      return facts !== undefined && sameProcess(facts.process, process) ? facts : undefined;
    },
    find: (pid, beside) => told.get(pidOf({ ...beside, pid })),
    dismiss() {
      const last = link;
      link = undefined;
      last?.replaced();
      lapse();
    },
  };
}
