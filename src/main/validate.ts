import { statSync } from "node:fs";
import { join } from "node:path";
import { dueBeside } from "../adapters/ledger-sqlite/due-beside.ts";
import { type Kept, readBeside } from "../adapters/ledger-sqlite/read-beside.ts";
import { systemClock } from "../adapters/system/system-clock.ts";
import { cutoffsOf, timesFor } from "../audit/retention.ts";
import type { Config } from "../config/config.ts";
import { type Finding, formatPlace } from "../config/finding.ts";
import { loadConfig } from "../config/load-config.ts";
import type { RegistrationEntry } from "../domain/registration-entry.ts";
import type { DueClass } from "../ports/ledger-retention.ts";
import { type Difference, differenceOf } from "../registry/declare.ts";
import { checkTrustDomain } from "../registry/ledger-trust-domain.ts";
import { leavesAnAdmin } from "./admins.ts";
import { fileChecks } from "./check-files.ts";
import { type ConfigRequest, forOperator, placeOf, sentenceOf } from "./for-operator.ts";
import { withOwn } from "./own-entries.ts";
import { readStandbyMark } from "./standby-mark.ts";

type Warning = {
  /** In the file or outside of it, as far as it is known. */
  readonly place?: string;
  readonly key: string;
  readonly message: string;
};

/** What running with a configuration would find. */
export type Validated = {
  readonly config: Config;
  /** What is permitted, and yet likely not meant. */
  readonly warnings: readonly Warning[];
  /** What running would change: of a ledger by an older version that is not known. */
  readonly ledger: "none" | "older" | Difference;
  /** What of the log would be pruned at most; none of a ledger that there is not, or that is an older version's. */
  readonly due: readonly DueClass[];
};

/**
 * `stintd validate`: what is wrong with the configuration and the files it names, and what running would change.
 *
 * @throws ConfigError with every finding; an error that says why a daemon would not start
 */
export async function validateConfig(request: ConfigRequest): Promise<Validated> {
  const config = loadConfig(request.configPath, request.environment, { flags: request.flags ?? {} });
  const files = await checkedFiles(config, request);
  try {
    const directory = join(config.dataDirectory, config.ledger.postgres === undefined ? "ledger" : "replica");
    const kept = await readBeside(directory);
    if (kept !== undefined) checkTrustDomain(config.trustDomain, kept);
    return {
      config,
      warnings: [
        ...config.warnings.map(warningOf),
        ...files,
        ...unknownAgents(config, kept),
        ...missingAdmin(config, kept),
        ...(await ofStandby(config)),
      ],
      ledger: ledgerOf(config, kept),
      due: kept?.schema === "current" ? await dueOf(directory, config) : [],
    };
  } catch (thrown) {
    throw forOperator(thrown, request);
  }
}

function dueOf(directory: string, { retention }: Config): Promise<readonly DueClass[]> {
  const now = systemClock().now();
  return dueBeside(directory, (isNew) => cutoffsOf(timesFor(retention, isNew), now));
}

function warningOf({ place, key, message }: Finding): Warning {
  return { place: formatPlace(place), key, message };
}

function ledgerOf(config: Config, kept: Kept | undefined): Validated["ledger"] {
  if (kept === undefined) return "none";
  return kept.schema === "older" ? "older" : differenceOf(withOwn(config), kept.entries);
}

/**
 * Looks at every file that a start reads.
 *
 * @returns warnings.
 * @throws an error that says of each file that can't be used what is wrong with the file
 */
export async function checkedFiles(config: Config, request: ConfigRequest): Promise<Validated["warnings"]> {
  const isDaemon = isDaemonUser(config.dataDirectory);
  const warnings: { key: string; message: string }[] = [];
  const refusals: string[] = [];
  for (const { key, isOptional = false, isPrivate = false, check } of fileChecks(config)) {
    if (isPrivate && !isDaemon) {
      warnings.push({ key, message: "not looked at: only the daemon's user, who owns the data directory, can tell" });
      continue;
    }
    try {
      await check();
    } catch (thrown) {
      const message = sentenceOf(thrown);
      if (isOptional) warnings.push({ key, message });
      else refusals.push([placeOf(key, request), key, message].filter((part) => part !== undefined).join(": "));
    }
  }
  if (refusals.length > 0) throw new Error(refusals.join("\n"));
  return warnings;
}

function isDaemonUser(dataDirectory: string): boolean {
  try {
    return statSync(dataDirectory).uid === process.geteuid?.();
  } catch {
    // Where there is none yet, whoever runs the daemon will own it.
    return true;
  }
}

/** The entries in force as far as a ledger of this version says. */
function registeredIn(kept: Kept | undefined): readonly RegistrationEntry[] {
  return kept?.schema === "current" ? kept.entries : [];
}

/** What a broker is refused on is what a standby works on. */
async function ofStandby({ dataDirectory }: Config): Promise<readonly Warning[]> {
  if ((await readStandbyMark(dataDirectory)) === undefined) return [];
  return [
    { key: "data_directory", message: "it is a standby's: stintd run does not start on it until it is promoted" },
  ];
}

/** An operator can't put the last enabled admin out of force, but a configuration can. */
function missingAdmin(config: Config, kept: Kept | undefined): Validated["warnings"] {
  if (leavesAnAdmin(withOwn(config), registeredIn(kept))) return [];
  return [{ key: "entries", message: "no admin would be in force, so nobody could administer the broker" }];
}

/** Agents that a runtime opens steps for and that no entry is for: a step for such an agent is refused. */
function unknownAgents({ entries }: Config, kept: Kept | undefined): Validated["warnings"] {
  const known = new Set(
    [
      ...entries,
      ...registeredIn(kept)
        .filter(({ origin }) => origin === "api")
        .map(({ content }) => content),
    ]
      .filter(({ kind }) => kind === "agent")
      .map(({ name }) => name),
  );
  return entries.flatMap((content, entry) =>
    content.kind === "runtime"
      ? content.agents.flatMap((agent, index) =>
          known.has(agent)
            ? []
            : [
                {
                  key: `entries[${entry}].agents[${index}]`,
                  message: "no agent of this name is declared or registered",
                },
              ],
        )
      : [],
  );
}
