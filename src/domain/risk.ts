import { invalidField } from "./errors.ts";
import { type FactScope, isOfRun } from "./run-facts.ts";
import { parseSegment } from "./spiffe-id.ts";
import type { UnixSeconds } from "./time.ts";

/** From the least to the most. */
export const RISK_LEVELS = ["low", "elevated", "high"] as const;
export type RiskLevel = (typeof RISK_LEVELS)[number];

/** Whether `a` is a greater risk than `b`. */
export function isRiskier(a: RiskLevel, b: RiskLevel): boolean {
  return RISK_LEVELS.indexOf(a) > RISK_LEVELS.indexOf(b);
}

/**
 * What is known of the risk around a step; `low` where nobody has said otherwise, or what was said has lapsed. `run` is the
 * greatest among the step's run and the runs that it was delegated from.
 */
export type RiskAround = { readonly domain: RiskLevel; readonly agent: RiskLevel; readonly run: RiskLevel };

/** The scopes of risk, as the ledger names them: `domain`, `agent:<name>`, `run:<run id>`. */
export type RiskScope = "domain" | `agent:${string}` | `run:${string}`;

/** What was said last of the risk of a scope. */
export type RecordedRisk = {
  readonly scope: RiskScope;
  readonly level: RiskLevel;
  /** Exclusive. */
  readonly expiresAt: UnixSeconds;
  readonly sequence: number;
  readonly reason: string;
};

/**
 * The scopes that concern a step: the trust domain, its agent, its run, and the runs that it was delegated from.
 *
 * @param scopes - those in which the step's grant counts (`factScopesOf`).
 */
export function riskScopesOf(agent: string, scopes: readonly FactScope[]): readonly RiskScope[] {
  return ["domain", `agent:${agent}`, ...scopes.filter(isOfRun)];
}

/** The greatest of several risks; `low` where there is none. */
export function greatestRisk(levels: readonly RiskLevel[]): RiskLevel {
  return levels.reduce((greatest, level) => (isRiskier(level, greatest) ? level : greatest), "low");
}

/** @throws BrokerError INVALID_FIELD */
export function parseRiskScope(text: string, field: string): RiskScope {
  if (text === "domain") return text;
  const [, kind, name] = /^(agent|run):(.+)$/s.exec(text) ?? [];
  if (kind === undefined || name === undefined) throw invalidField(field, "domain, agent:<name> or run:<run id>");
  return `${kind as "agent" | "run"}:${parseSegment(name, field)}`;
}
