import type { MessageInitShape } from "@bufbuild/protobuf";
import { invalidField } from "../domain/errors.ts";
import type { RecordedRisk } from "../domain/risk.ts";
import { RISK_LEVELS, type RiskLevel } from "../domain/risk.ts";
import { RiskLevel as LevelMessage, type RiskInForceSchema } from "../gen/stint/v1/risk_pb.js";
import { timestampOfSeconds } from "./timestamps.ts";

const MESSAGE_OF = {
  low: LevelMessage.LOW,
  elevated: LevelMessage.ELEVATED,
  high: LevelMessage.HIGH,
} as const satisfies Record<RiskLevel, LevelMessage>;

/** @throws BrokerError INVALID_FIELD */
export function riskLevelOfMessage(message: LevelMessage): RiskLevel {
  const level = RISK_LEVELS.find((one) => MESSAGE_OF[one] === message);
  if (level === undefined) throw invalidField("level", `one of ${RISK_LEVELS.join(", ")}`);
  return level;
}

export function riskLevelMessageOf(level: RiskLevel): LevelMessage {
  return MESSAGE_OF[level];
}

export function riskMessageOf(risk: RecordedRisk): MessageInitShape<typeof RiskInForceSchema> {
  const { scope, level, expiresAt, reason, sequence } = risk;
  return {
    scope,
    level: MESSAGE_OF[level],
    expiresAt: timestampOfSeconds(expiresAt),
    reason,
    sequence: BigInt(sequence),
  };
}
