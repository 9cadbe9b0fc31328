import type { MessageInitShape } from "@bufbuild/protobuf";
import type { StepClosure } from "../../close/closure.ts";
import type { SignedReceipt } from "../../domain/signed-receipt.ts";
import { type ClosureSchema, ClosureState, ReceiptState } from "../../gen/stint/v1/types_pb.js";
import { durationOfSeconds, timestampOfMicros, timestampOfSeconds } from "../../wire/timestamps.ts";

export function closureMessageOf(closure: StepClosure): MessageInitShape<typeof ClosureSchema> {
  const { closedSequence, places, verifiers, exchanges, reachedAt } = closure;
  return {
    state: ClosureState[closure.state],
    closedSequence: BigInt(closedSequence),
    places: places.map(({ audience = "", credentials, latestExpiry, leewaySeconds, state, until }) => ({
      audience,
      credentials,
      latestExpiry: timestampOfSeconds(latestExpiry),
      leeway: durationOfSeconds(leewaySeconds),
      state: ClosureState[state],
      until: timestampOfMicros(until),
    })),
    verifiers: verifiers.map(({ verifier, state, appliedAt, lapsesAt, signed }) => ({
      verifier,
      state: ReceiptState[state],
      ...(signed === undefined ? {} : { signed: signedReceiptMessageOf(signed) }),
      ...(appliedAt === undefined ? {} : { appliedAt: timestampOfMicros(appliedAt) }),
      ...(lapsesAt === undefined ? {} : { lapsesAt: timestampOfMicros(lapsesAt) }),
    })),
    exchanges: [...exchanges],
    latestPossibleAcceptance: timestampOfMicros(closure.latestPossibleAcceptance),
    ...(reachedAt === undefined ? {} : { reachedAt: timestampOfMicros(reachedAt) }),
  };
}

function signedReceiptMessageOf({ sequence, at, signature, ...rest }: SignedReceipt) {
  return {
    ...rest,
    sequence: BigInt(sequence),
    at: timestampOfMicros(at),
    signature: Buffer.from(signature, "base64url"),
  };
}
