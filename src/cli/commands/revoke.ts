import { type Command, Option } from "commander";
import { REVOCATION_REASONS } from "../../domain/revocation.ts";
import { History } from "../../gen/stint/v1/history_pb.js";
import { Revocations, type RevokeResponse } from "../../gen/stint/v1/revocations_pb.js";
import type { ClientOf } from "../../wire/client.ts";
import type { Context } from "../context.ts";
import { EXIT, Failure, usageFailure } from "../failure.ts";
import { serialFlag } from "../flags.ts";
import { exchangeView } from "../output/exchange-view.ts";
import { issuanceView } from "../output/issuance-view.ts";
import { stepView } from "../output/step-view.ts";
import type { View } from "../output/view.ts";
import { recordOf } from "../output/view.ts";
import { acting, type Session } from "../session.ts";

const TARGETS = {
  jti: "jti",
  serial: "serialNumber",
  stepId: "stepId",
  run: "runId",
  agent: "agent",
} as const;

type RevokeOptions = { readonly [Target in keyof typeof TARGETS]?: string } & {
  readonly reason?: string;
  readonly bar?: boolean;
  readonly dryRun?: boolean;
};
type Target = NonNullable<Parameters<ClientOf<typeof Revocations>["revoke"]>[0]["target"]>;

export function addRevoke(revoke: Command, context: Context): void {
  revoke
    .addOption(target("--jti <jti>", "the JWT-SVID with this jti"))
    .addOption(target("--serial <number>", "the X.509-SVID with this serial number, hexadecimal").argParser(serialFlag))
    .addOption(target("--step-id <id>", "the step and its descendants"))
    .addOption(target("--run <run>", "every step of the run, which stays barred"))
    .addOption(target("--agent <agent>", "every step of the agent, whose entry stays disabled"))
    .addOption(new Option("--reason <reason>", "recorded, and told to verifiers").choices(REVOCATION_REASONS))
    .option("--bar", "with --run: also a run of which no step was ever opened")
    .option("--dry-run", "tell what would be revoked, and do nothing")
    .action(
      acting(context, async (session, options: RevokeOptions) => {
        const dryRun = options.dryRun ?? false;
        const target = targetOf(options);
        await checkRun(session, options);
        const response = await session.operator(Revocations).revoke({ target, reason: options.reason ?? "", dryRun });
        await print(session, response, dryRun);
        session.note(summaryOf(response, dryRun));
      }),
    );
}

/**
 * A flag with a variable of its own: STINT_STEP_ID and the like are set for every command that runs as a step, and a
 * revocation must not take its target from them.
 */
function target(flags: string, description: string): Option {
  const option = new Option(flags, description);
  return option.env(`STINT_REVOKE_${option.name().toUpperCase().replaceAll("-", "_")}`);
}

/** @throws Failure unless exactly one target is named */
function targetOf(options: RevokeOptions): Target {
  const named = (Object.keys(TARGETS) as (keyof typeof TARGETS)[]).flatMap((flag): Target[] => {
    const value = options[flag];
    if (value === undefined) return [];
    return [{ case: TARGETS[flag], value }];
  });
  const [target] = named;
  if (target === undefined || named.length > 1) {
    throw usageFailure("one of --jti, --serial, --step-id, --run, --agent says what to revoke");
  }
  return target;
}

/**
 * A run need not be there to be barred, so nothing else would tell a name that was mistyped from the one that was meant.
 *
 * @throws Failure
 */
async function checkRun({ operator }: Session, { run, bar = false }: RevokeOptions): Promise<void> {
  if (bar && run === undefined) throw usageFailure("--bar goes with --run");
  if (bar || run === undefined) return;
  const known = await operator(History)
    .listSteps({ filter: { runId: run, pageSize: 1 } })
    .catch(() => undefined);
  // Where the history can't be read, what is to be taken back must not wait for it.
  if (known?.steps.length !== 0) return;
  throw new Failure("no step of a run with this name was ever opened; with --bar none ever will be", EXIT.refused);
}

async function print({ globals, print }: Session, response: RevokeResponse, dryRun: boolean): Promise<void> {
  if (globals.output !== "table") return print.one(revocationView(dryRun), response);
  if (response.stepsClosed.length > 0) await print.rows(stepView, response.stepsClosed);
  if (response.credentialsRevoked.length > 0) await print.rows(issuanceView, response.credentialsRevoked);
  if (response.exchanges.length > 0) await print.rows(exchangeView, response.exchanges);
}

function revocationView(dryRun: boolean): View<RevokeResponse> {
  return {
    fields: [
      ["dry_run", () => dryRun],
      ["sequence", ({ sequence }) => (sequence === 0n ? null : Number(sequence))],
      ["steps_closed_count", (response) => response.stepsClosedCount],
      ["credentials_revoked_count", (response) => response.credentialsRevokedCount],
      ["steps_closed", (response) => response.stepsClosed.map((step) => recordOf(stepView, step))],
      ["credentials_revoked", (response) => response.credentialsRevoked.map((one) => recordOf(issuanceView, one))],
      ["exchanges", (response) => response.exchanges.map((one) => recordOf(exchangeView, one))],
      ["truncated", (response) => response.truncated],
    ],
    columns: [],
  };
}

function summaryOf(response: RevokeResponse, dryRun: boolean): string {
  const count = (number: number, thing: string) => `${number} ${thing}${number === 1 ? "" : "s"}`;
  const steps = count(response.stepsClosedCount, "step");
  const credentials = count(response.credentialsRevokedCount, "credential");
  return dryRun
    ? `would close ${steps} and revoke ${credentials}; nothing was done`
    : `closed ${steps} and revoked ${credentials}; sequence ${response.sequence}`;
}
