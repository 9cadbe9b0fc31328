import { release } from "node:os";
import process from "node:process";
import type { KernelProbe } from "../adapters/attestor-unix/kernel-probe.ts";
import type { Config } from "../config/config.ts";
import { kernelUser } from "../config/kernel-user.ts";
import { readLocalAccounts } from "../config/local-accounts.ts";
import { type BrokerAnswer, checkBroker } from "../doctor/broker.ts";
import { checkClock } from "../doctor/clock.ts";
import { type Diagnosis, error, SUBJECTS, skipped } from "../doctor/diagnosis.ts";
import { checkKernel } from "../doctor/kernel.ts";
import { checkLimits } from "../doctor/limits.ts";
import { mountOf } from "../doctor/mounts.ts";
import { checkNamespaces } from "../doctor/namespaces.ts";
import { checkRelease } from "../doctor/node-release.ts";
import { pathFacts } from "../doctor/probe-files.ts";
import { mapsAllUsers, mounts, type ProcessParts, processParts, ptraceScope } from "../doctor/probe-process.ts";
import { type User, userOf } from "../doctor/users.ts";
import { BrokerError } from "../domain/errors.ts";
import type { EntryContent } from "../domain/registration-entry.ts";
import { kindOf } from "../domain/selector.ts";
import { examineConfigured, type NamedRequest, readConfigured } from "./examine-configured.ts";
import { examineSockets, type Listener } from "./examine-sockets.ts";
import { unfitnessOf } from "./node-version.ts";

type ExamineRequest = NamedRequest & {
  /** Where a broker is asked if no configuration says where. */
  readonly operatorSocket: string;
  readonly ask: (operatorSocket: string) => Promise<BrokerAnswer>;
};

/**
 * `stint doctor`: what is wrong on this machine, as far as it can be seen by whoever asks. Changes nothing.
 *
 * @returns in the order in which it would be mended.
 */
export async function examineMachine(request: ExamineRequest): Promise<readonly Diagnosis[]> {
  const found: Diagnosis[] = [
    ...checkRelease({ version: process.versions.node, unfitBecause: unfitnessOf(process.versions.node) }),
  ];
  const kernel = await probe(found);
  const accounts = readLocalAccounts();
  const configured = readConfigured(request, accounts);
  found.push(...configured.found);
  const { config } = configured;
  const daemon = daemonUser(config, accounts);

  const { diagnoses, listener, operatorsAreHeard } =
    config === undefined
      ? { diagnoses: [], listener: undefined, operatorsAreHeard: false }
      : await examineSockets(config, { daemon, kernel });
  found.push(...diagnoses);
  const broker = listener === undefined || listener.pid === 0 ? undefined : processParts(listener.pid);
  found.push(...ofKernel({ kernel, daemon, broker, listener, config }));
  if (config !== undefined)
    found.push(...(await examineConfigured(config, { request, accounts, daemon, configured, clock: kernel?.clock })));

  const socket = config?.operator.socket ?? request.operatorSocket;
  found.push(
    ...checkBroker(await request.ask(socket), {
      socket,
      trustDomain: config?.trustDomain,
      isListenedOn: operatorsAreHeard,
    }),
  );
  return found.toSorted((a, b) => SUBJECTS.indexOf(a.subject) - SUBJECTS.indexOf(b.subject));
}

/** A library that is not for this machine must not keep all else from being told. */
async function probe(found: Diagnosis[]): Promise<KernelProbe | undefined> {
  const load = [
    { name: "koffi", use: async () => (await import("../adapters/attestor-unix/kernel-probe.ts")).probeKernel() },
    { name: "better-sqlite3", use: async () => (await import("../adapters/ledger-sqlite/driver.ts")).loadDriver() },
  ] as const;
  // What another system lacks, its own check says.
  const [kernel] = await Promise.all(
    load.slice(process.platform === "linux" ? 0 : load.length).map(async ({ name, use }) => {
      try {
        return await use();
      } catch (thrown) {
        const what = thrown instanceof BrokerError ? thrown.message : whyNotLoaded(name, thrown);
        const mend = "install stint anew, on this machine and with its own Node.js";
        found.push(error("libraries", { what, why: "stintd does not start", mend }));
        return undefined;
      }
    }),
  );
  return kernel as KernelProbe | undefined;
}

/** Not in the library's words, which name paths, or what of the C library is missing to nobody's use. */
function whyNotLoaded(name: string, thrown: unknown): string {
  const code = thrown instanceof Error && "code" in thrown ? ` (${String(thrown.code)})` : "";
  return `the library ${name} does not load on ${process.platform} ${process.arch}${code}`;
}

/** To whom the data directory belongs is who runs the broker; before there is one, whoever would. */
function daemonUser(config: Config | undefined, accounts: ReturnType<typeof readLocalAccounts>): User | undefined {
  const directory = config === undefined ? undefined : pathFacts(config.dataDirectory);
  if (directory?.kind === "directory") return userOf(directory.uid, accounts);
  const named = accounts.users.find(({ name }) => name === "stint");
  if (named !== undefined) return userOf(named.uid, accounts);
  const self = kernelUser();
  // Root looks on behalf of another.
  return self.uid === 0 ? undefined : { ...userOf(self.uid, accounts), gids: self.gids };
}

function ofKernel(of: {
  readonly kernel: KernelProbe | undefined;
  readonly daemon: User | undefined;
  readonly broker: ProcessParts | undefined;
  readonly listener: Listener | undefined;
  readonly config: Config | undefined;
}): readonly Diagnosis[] {
  const { kernel, daemon, broker, listener, config } = of;
  const self = processParts("self");
  const proc = mountOf("/proc", mounts());
  const entries = config?.entries ?? [];
  const limit = broker?.openFilesMax ?? self.openFilesMax;
  return [
    ...(kernel === undefined && process.platform === "linux"
      ? [skipped("kernel", "the kernel can't be asked without the library koffi")]
      : checkKernel({
          platform: process.platform,
          release: release(),
          pidfdOpen: kernel?.pidfdOpen,
          peerPidfd: kernel?.peerPidfd,
          procUnfitBecause: kernel?.procUnfitBecause,
          proc,
          ptraceScope: ptraceScope(),
          daemon,
          capabilities: broker?.capabilities,
          namesPrograms: entries.some(namesProgram),
        })),
    ...(self.pidNamespace === undefined
      ? [skipped("namespaces", "/proc does not show in which namespaces this is")]
      : checkNamespaces({
          ownPid: self.pidNamespace,
          mapsAllUsers: mapsAllUsers(),
          broker: listener?.pid === 0 ? "hidden" : broker,
        })),
    ...(config !== undefined ? [] : checkClock({ kernel: kernel?.clock, nowMs: Date.now(), writtenMs: undefined })),
    ...(limit === undefined || config === undefined
      ? []
      : checkLimits({
          of: broker?.openFilesMax === undefined ? "command" : "broker",
          openFilesMax: limit,
          connectionsPerUid: config.limits.connectionsPerUid,
          users: new Set(entries.flatMap(({ selectors }) => selectors.filter((one) => /^unix:u/.test(one)))).size,
        })),
  ];
}

function namesProgram({ selectors }: EntryContent): boolean {
  return selectors.some((one) => ["unix:path", "unix:sha256"].includes(kindOf(one)));
}
