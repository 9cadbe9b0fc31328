import { changedSettings } from "../config/changed-settings.ts";
import type { Config } from "../config/config.ts";
import { formatFinding } from "../config/finding.ts";
import { loadSettings } from "../config/load-config.ts";
import type { RegistrationEntry } from "../domain/registration-entry.ts";
import type { Log } from "../ports/log.ts";
import { type Difference, declareEntries } from "../registry/declare.ts";
import type { Registry } from "../registry/registry.ts";
import { leavesAnAdmin } from "./admins.ts";
import { folded } from "./folded.ts";
import { type ConfigRequest, sentenceOf } from "./for-operator.ts";
import { withOwn } from "./own-entries.ts";
import type { RenewedFiles } from "./renewed-files.ts";
import { checkedFiles } from "./validate.ts";

type Settings = ReturnType<typeof loadSettings>["settings"];

/** What of a running broker can be changed without a restart. */
export type Reloadable = {
  readonly registry: Registry;
  readonly files: Pick<RenewedFiles, "renew">;
  entries(): readonly RegistrationEntry[];
  /** Brings the policies in force to what is declared, or throws and changes nothing. */
  declarePolicies(policies: Config["policies"], writer: number): Promise<void>;
};

export type ReloadPorts = {
  readonly request: ConfigRequest;
  /** The settings that the broker started with. */
  readonly settings: Settings;
  readonly broker: Reloadable;
  readonly setLevel: (level: Config["log"]["level"]) => void;
  readonly log: Log;
};

/** What a reload takes; any other setting needs a restart, and so does who else is asked for decisions. */
const TAKEN: ReadonlySet<string> = new Set([
  "entries",
  "log.level",
  "policies.baseline",
  "policies.directory",
  "policies.ratchet",
  "policies.data_classes",
]);

/**
 * Makes the function that reads the configuration again. It takes all of it or nothing, and logs what it took, or why
 * nothing. While one reload is under way, any number of further calls make one more.
 */
export function createReload(ports: ReloadPorts): () => void {
  return folded(async () => {
    try {
      await reload(ports);
    } catch (thrown) {
      ports.log.fault(`not reloaded, nothing is changed: ${sentenceOf(thrown)}`, thrown);
    }
  });
}

async function reload({ request, settings, broker, setLevel, log }: ReloadPorts): Promise<void> {
  const { config, settings: read } = loadSettings(request.configPath, request.environment, {
    flags: request.flags ?? {},
    writer: process.geteuid?.() ?? 0,
  });
  const others = changedSettings(settings, read, (key) => TAKEN.has(key));
  if (others.length > 0) throw new Error(`needs a restart: ${others.join(", ")}`);
  const warnings = await checkedFiles(config, request);
  const declared = withOwn(config);
  if (!leavesAnAdmin(declared, broker.entries())) {
    throw new Error("entries: no admin would be in force, so nobody could administer the broker");
  }
  await broker.declarePolicies(config.policies, process.geteuid?.() ?? 0);
  let difference: Difference;
  try {
    difference = await declareEntries(declared, broker.entries(), broker.registry);
  } catch (thrown) {
    // Each entry is an act of its own, so what was declared before this one stays; the next reload goes on from there.
    log.fault(`reloaded in part, and entries after the one that failed are not: ${sentenceOf(thrown)}`, thrown);
    return;
  }
  setLevel(config.log.level);
  const renewed = await broker.files.renew();
  for (const warning of config.warnings) log.warning(formatFinding(warning));
  for (const { key, message } of warnings) log.warning(`${key}: ${message}`);
  for (const { content } of difference.conflicting) {
    log.warning(`entries: ${content.kind}/${content.name} was made by API and stays as it is`);
  }
  log.info("reloaded", {
    logLevel: config.log.level,
    filesRenewed: renewed.join(", "),
    entriesCreated: difference.created.length,
    entriesUpdated: difference.updated.length,
    entriesRemoved: difference.removed.length,
  });
}
