import type { Reassessment } from "../../close/reassess.ts";
import { operatorWith } from "../../decide/step-access.ts";
import { BrokerError, errorOf, invalidField, isDenial } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { checkReason } from "../../domain/recorded-reason.ts";
import { isOfKind } from "../../domain/registration-entry.ts";
import { parseRiskScope, type RiskScope } from "../../domain/risk.ts";
import type { Attested } from "../../domain/stages.ts";
import { addSeconds, secondsOf } from "../../domain/time.ts";
import type { Risk, RiskSetRequest } from "../../gen/stint/v1/risk_pb.js";
import type { Clock } from "../../ports/clock.ts";
import type { EntryDirectory } from "../../ports/directories.ts";
import type { Ledger } from "../../ports/ledger.ts";
import type { HistoryReads, PolicyReads } from "../../ports/ledger-reads.ts";
import { riskLevelOfMessage, riskMessageOf } from "../../wire/risk-message.ts";
import type { HandlersOf } from "../../wire/service-definition.ts";
import { msOfDuration, secondsOfDuration } from "../../wire/timestamps.ts";
import { type Endpoint, unary } from "./call.ts";
import { operatorActor } from "./revocations.ts";

export type RiskPorts = {
  readonly ledger: Pick<Ledger, "perform">;
  readonly risks: PolicyReads["risks"];
  readonly history: Pick<HistoryReads, "steps">;
  readonly entries: Pick<EntryDirectory, "byName">;
  readonly reassessment: Pick<Reassessment, "outcome">;
  readonly clock: Clock;
};

export function riskHandlers(endpoint: Endpoint, ports: RiskPorts): HandlersOf<typeof Risk> {
  const { ledger, clock } = ports;
  return {
    set: unary(endpoint, "Risk.Set", async (request, caller, ids) => {
      const by = operatorActor(caller, isAdmin(caller) ? ["admin"] : ["admin", "detector"]);
      const scope = parseRiskScope(request.scope, "scope");
      ids["scope"] = scope.replace(":", ".");
      const level = riskLevelOfMessage(request.level);
      const { reason } = request;
      checkReason(reason);
      await checkKnown(scope, request, ports);
      const waitMs = waitMsOf(request);
      const now = clock.now();
      const asked = addSeconds(secondsOf(now), ttlSecondsOf(request));
      const only = isAdmin(caller) ? {} : { raisesOnly: true as const };
      const set = await ledger.perform({ act: "set-risk", scope, level, expiresAt: asked, reason, ...only, by, now });
      if (isDenial(set)) throw errorOf(set);
      const { sequence, expiresAt } = set;
      const { stepsJudged, stepsClosed, isSettled } = await ports.reassessment.outcome(scope, sequence, waitMs);
      const risk = riskMessageOf({ scope, level, expiresAt, sequence, reason });
      return { risk, stepsJudged, stepsClosed, judgingDone: isSettled };
    }),
    list: unary(endpoint, "Risk.List", async (_request, caller) => {
      operatorWith(caller, ["viewer", "approver", "detector", "admin"]);
      const risks = await ports.risks(secondsOf(clock.now()));
      return { risks: risks.filter(({ level }) => level !== "low").map(riskMessageOf) };
    }),
  };
}

function isAdmin({ entries }: Attested): boolean {
  return entries.some((entry) => isOfKind(entry, "operator") && entry.content.role === "admin");
}

/** A name that was mistyped would change nothing, and nobody would be told. */
async function checkKnown(scope: RiskScope, { unknownRun }: RiskSetRequest, ports: RiskPorts): Promise<void> {
  const [kind, name = ""] = scope.split(":");
  if (unknownRun && kind !== "run") throw invalidField("unknown_run", "with the risk of a run alone");
  // Whose risk was set has been named before.
  const inForce = await ports.risks(secondsOf(ports.clock.now()));
  if (inForce.some((one) => one.scope === scope)) return;
  if (kind === "agent" && ports.entries.byName("agent", name) === undefined) {
    throw new BrokerError("ENTRY_NOT_FOUND", "no entry of this agent");
  }
  if (kind !== "run" || unknownRun) return;
  const [known] = await ports.history.steps({ runId: name, limit: 1 });
  if (known !== undefined) return;
  throw invalidField(
    "scope",
    "a run of which a step was opened, or unknown_run (--unknown-run) for one that is to come",
  );
}

function ttlSecondsOf({ ttl }: RiskSetRequest): number {
  const seconds = ttl === undefined ? LIMITS.riskTtlSecondsDefault : secondsOfDuration(ttl, "ttl");
  if (seconds < 1 || seconds > LIMITS.riskTtlSecondsMax)
    throw invalidField("ttl", `1 s to ${LIMITS.riskTtlSecondsMax} s`);
  return seconds;
}

function waitMsOf({ awaitJudging }: RiskSetRequest): number {
  const ms = awaitJudging === undefined ? 0 : msOfDuration(awaitJudging, "await_judging");
  if (ms > LIMITS.awaitJudgingSecondsMax * 1_000) {
    throw invalidField("await_judging", `at most ${LIMITS.awaitJudgingSecondsMax} s`);
  }
  return ms;
}
