import { type Command, Option } from "commander";
import { OPERATOR_ROLES } from "../domain/registration-entry.ts";
import type { Declaration } from "./entry-declaration.ts";
import { countFlag, durationFlag, listFlag } from "./flags.ts";
import { readJson } from "./open-flags.ts";

export type EntryFlags = {
  readonly selector?: readonly string[];
  readonly spiffeIdTemplate?: string;
  readonly ceiling?: string;
  readonly audience?: readonly string[];
  readonly exchangeAudience?: readonly string[];
  readonly jwtSvidTtl?: number;
  readonly x509SvidTtl?: number;
  readonly stepDurationMax?: number;
  readonly mayOpen?: boolean;
  readonly allowAnyExecutor?: boolean;
  readonly allowExecutorTree?: boolean;
  readonly executorOpenStepsMax?: number;
  readonly allowMultipleAudiences?: boolean;
  readonly agents?: readonly string[];
  readonly openStepsMax?: number;
  readonly allowDescendants?: boolean;
  readonly maxStaleness?: number;
  readonly receiptKey?: string;
  readonly eventsUrl?: string;
  readonly federatesWith?: readonly string[];
  readonly machineName?: string;
  readonly barredMachine?: readonly string[];
  readonly role?: string;
};

/** The content of an entry as flags; flags that the entry's kind does not have are refused when it is read. */
export function addEntryFlags(command: Command): Command {
  return command
    .option(
      "--selector <selector>",
      "what a process must be, e.g. unix:uid:1001; may be repeated, all must match",
      listFlag,
    )
    .option("--ceiling <json|@file>", "agent: the most a step may be granted, as authorization_details")
    .option("--audience <audience>", "agent, verifier: an audience; may be repeated", listFlag)
    .option("--exchange-audience <audience>", "agent: of these, where a token is traded; may be repeated", listFlag)
    .option("--spiffe-id-template <path>", "agent: the path before /run/, e.g. /agent/{agent}")
    .option("--jwt-svid-ttl <time>", "agent: life of a JWT-SVID", durationFlag)
    .option("--x509-svid-ttl <time>", "agent: life of an X.509-SVID", durationFlag)
    .option("--step-duration-max <time>", "agent: the longest that a step may be open", durationFlag)
    .option("--may-open", "agent: may open steps for itself")
    .option("--no-may-open", "agent: may not")
    .option("--allow-any-executor", "agent: a step may be left to any process of it")
    .option("--no-allow-any-executor", "agent: may not")
    .option("--allow-executor-tree", "agent: a step may be executed by a process with those that it started")
    .option("--no-allow-executor-tree", "agent: may not")
    .option("--executor-open-steps-max <count>", "agent: open steps that one process may execute at once", countFlag)
    .option("--allow-multiple-audiences", "agent: a JWT-SVID may have several audiences, and then no grant")
    .option("--no-allow-multiple-audiences", "agent: may not")
    .option("--agents <agent>", "runtime: an agent it may open steps for; may be repeated", listFlag)
    .option("--open-steps-max <count>", "runtime: steps it may have open at once", countFlag)
    .option("--allow-descendants", "agent, runtime: what its processes start may open steps too")
    .option("--no-allow-descendants", "agent, runtime: may not")
    .option("--max-staleness <time>", "verifier: its largest staleness bound", durationFlag)
    .option("--receipt-key <key>", "verifier: public key with which it signs what it has applied")
    .option("--events-url <url>", "verifier: where security events are pushed to, if it asks for that; https")
    .option(
      "--federates-with <trust-domain>",
      "agent, runtime, verifier: a foreign trust domain whose bundle it is given; may be repeated",
      listFlag,
    )
    .option("--machine-name <kind>", "node: of a group of machines, what tells them apart, e.g. k8s:node-name")
    .option(
      "--barred-machine <machine>",
      "node: a machine of the group that is not believed; may be repeated",
      listFlag,
    )
    .addOption(new Option("--role <role>", "operator: what it may do").choices(OPERATOR_ROLES));
}

/** What the flags that were given say, in the keys of the configuration file. */
export function declaredByFlags(flags: EntryFlags): Declaration {
  const declared = {
    selectors: flags.selector,
    spiffe_id_template: flags.spiffeIdTemplate,
    ceiling: flags.ceiling === undefined ? undefined : readJson(flags.ceiling, "--ceiling"),
    audiences: flags.audience,
    exchange_audiences: flags.exchangeAudience,
    jwt_svid_ttl: flags.jwtSvidTtl,
    x509_svid_ttl: flags.x509SvidTtl,
    step_duration_max: flags.stepDurationMax,
    may_open: flags.mayOpen,
    allow_any_executor: flags.allowAnyExecutor,
    allow_executor_tree: flags.allowExecutorTree,
    executor_open_steps_max: flags.executorOpenStepsMax,
    allow_multiple_audiences: flags.allowMultipleAudiences,
    agents: flags.agents,
    open_steps_max: flags.openStepsMax,
    allow_descendants: flags.allowDescendants,
    max_staleness: flags.maxStaleness,
    receipt_key: flags.receiptKey,
    events_url: flags.eventsUrl,
    federates_with: flags.federatesWith,
    machine_name: flags.machineName,
    barred_machines: flags.barredMachine,
    role: flags.role,
  };
  return Object.fromEntries(Object.entries(declared).filter(([, value]) => value !== undefined));
}
