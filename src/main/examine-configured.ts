import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import type { KernelProbe } from "../adapters/attestor-unix/kernel-probe.ts";
import type { Config, HttpListenerConfig } from "../config/config.ts";
import { readConfigFile } from "../config/config-file.ts";
import { ConfigError, formatPlace } from "../config/finding.ts";
import { loadSettings } from "../config/load-config.ts";
import { accountsNamedIn } from "../config/named-accounts.ts";
import { checkClock } from "../doctor/clock.ts";
import { checkData } from "../doctor/data.ts";
import { type Diagnosis, error, ok, skipped, warning } from "../doctor/diagnosis.ts";
import { checkDisk } from "../doctor/disk.ts";
import { checkReadable, checkUnchanged } from "../doctor/files.ts";
import { mountOf } from "../doctor/mounts.ts";
import { contentOf, directoriesAbove, diskOf, pathFacts, targetFacts } from "../doctor/probe-files.ts";
import { mounts } from "../doctor/probe-process.ts";
import { checkUsers, type User, userText } from "../doctor/users.ts";
import { type LocalAccounts, withAccounts } from "../domain/local-accounts.ts";
import { type ConfigRequest, placeOf, sentenceOf } from "./for-operator.ts";

export type NamedRequest = ConfigRequest & {
  /** Whether somebody named the file; otherwise a machine may do without one. */
  readonly isNamed: boolean;
};

export type Configured = {
  readonly found: readonly Diagnosis[];
  /** `undefined` where there is none that could be used. */
  readonly config: Config | undefined;
  readonly operatorGroup: string | number | undefined;
};

/** Reads the configuration as if all users and groups that it names were there: of those that are not, users are told of. */
export function readConfigured(request: NamedRequest, accounts: LocalAccounts): Configured {
  const { configPath, environment, isNamed } = request;
  if (!isNamed && !existsSync(configPath)) {
    const what = `there is no ${configPath}: users, files, data, disk and sockets are not looked at`;
    return {
      found: [skipped("configuration", what, "stint init, or --config")],
      config: undefined,
      operatorGroup: undefined,
    };
  }
  try {
    const named = accountsNamedIn(readConfigFile(configPath).value);
    const { config, settings } = loadSettings(configPath, environment, { accounts: withAccounts(accounts, named) });
    const warnings = config.warnings.map(({ place, key, message }) => {
      const why = "stintd takes it; it lets more in than it seems to, or nobody";
      return warning("configuration", { what: `${key}: ${message}`, why, mend: `edit ${formatPlace(place)}` });
    });
    const told = `${configPath} is one that stintd takes; what running would change, stintd validate says`;
    return { found: [...warnings, ok("configuration", told)], config, operatorGroup: settings.operator.group };
  } catch (thrown) {
    if (!(thrown instanceof ConfigError)) throw thrown;
    const found = thrown.findings.map(({ place, key, message }) => {
      const what = key === "" ? message : `${key}: ${message}`;
      return error("configuration", { what, why: "stintd does not start", mend: `edit ${formatPlace(place)}` });
    });
    const what = "users, files, data, disk and sockets are not looked at without a configuration";
    return { found: [...found, skipped("configuration", what)], config: undefined, operatorGroup: undefined };
  }
}

/** What the configuration names on this machine. */
export async function examineConfigured(
  config: Config,
  of: {
    readonly request: NamedRequest;
    readonly accounts: LocalAccounts;
    readonly daemon: User | undefined;
    readonly configured: Configured;
    readonly clock: KernelProbe["clock"];
  },
): Promise<readonly Diagnosis[]> {
  const { request, accounts, daemon, configured, clock } = of;
  const { dataDirectory, ledger, entries, development } = config;
  const content = contentOf(dataDirectory);
  const disk = diskOf(dataDirectory);
  return [
    ...checkUsers({ accounts, entries, development, daemon, operatorGroup: configured.operatorGroup }),
    ...(await ofFiles(config, request, daemon)),
    ...checkData({ directory: pathFacts(dataDirectory), above: directoriesAbove(dataDirectory), content, daemon }),
    ...checkDisk({
      ...disk,
      mount: mountOf(disk.path, mounts()),
      freeBytesMin: ledger.diskFreeBytesMin,
      reserveBytes:
        content?.some(({ path }) => path === join(dataDirectory, "checkpoint")) === true ? 0 : ledger.reserveBytes,
    }),
    ...checkClock({ kernel: clock, nowMs: Date.now(), writtenMs: writtenMs(join(dataDirectory, "checkpoint")) }),
  ];
}

/** Files that settings name, as a start looks at them; and whether the daemon may read those that root, who looks, may anyhow. */
async function ofFiles(config: Config, request: NamedRequest, daemon: User | undefined): Promise<readonly Diagnosis[]> {
  const { fileChecks } = await import("./check-files.ts");
  const isDaemon = daemon?.uid === process.geteuid?.();
  const found: Diagnosis[] = [];
  for (const { key, isOptional = false, isPrivate = false, check } of fileChecks(config)) {
    if (isPrivate && !isDaemon) {
      const who = daemon === undefined ? "stint" : userText(daemon);
      found.push(
        skipped("files", `${key} is for the daemon's user alone to look at`, `runuser -u ${who} -- stint doctor`),
      );
      continue;
    }
    try {
      await check();
    } catch (thrown) {
      const place = placeOf(key, request);
      const trouble = {
        what: `${key}: ${sentenceOf(thrown)}`,
        why: isOptional ? "stintd starts without it" : "stintd does not start",
        mend: `the file${place === undefined ? "" : `, or the setting at ${place}`}`,
      };
      found.push(isOptional ? warning("files", trouble) : error("files", trouble));
    }
  }
  if (daemon === undefined) return found;
  found.push(...checkUnchanged(targetFacts(request.configPath), daemon));
  if (!isDaemon) {
    const itself = { setting: "--config", path: resolve(request.configPath) };
    for (const { setting, path } of [itself, ...certificatesOf(config)]) {
      found.push(...checkReadable({ setting, file: targetFacts(path), above: directoriesAbove(path), daemon }));
    }
  }
  return found.length > 0 ? found : [ok("files", "every file that a setting names can be used")];
}

function certificatesOf({
  http,
  operations,
  attestation,
}: Config): readonly { readonly setting: string; readonly path: string }[] {
  const of = (setting: string, tls: HttpListenerConfig["tls"]) =>
    tls === undefined || tls === "own-svid"
      ? []
      : [
          { setting: `${setting}.tls.certificate`, path: tls.certificate },
          { setting: `${setting}.tls.private_key`, path: tls.privateKey },
        ];
  return [...of("http", http?.tls), ...of("operations", operations?.tls), ...of("attestation", attestation?.tls)];
}

function writtenMs(path: string): number | undefined {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return undefined;
  }
}
