import { timestampDate } from "@bufbuild/protobuf/wkt";
import { type Closure as ClosureMessage, ClosureState as StateMessage } from "../../gen/stint/v1/types_pb.js";
import { type VerifierReceipt, verifierReceiptsOf } from "./receipts.ts";

/**
 * How far it is certain that nobody accepts any more what a step held: `CLOSED`, nobody does; `PARTIAL`, verifiers may that
 * are known by name; `UNKNOWN`, somebody may whom nobody can name.
 */
export type Closure = {
  readonly state: ClosureStateName;
  /** Where what the step held could be accepted. Without an audience: wherever the bundle is. */
  readonly places: readonly {
    readonly audience: string | undefined;
    readonly state: ClosureStateName;
    /** From here on nobody accepts any of it there. */
    readonly until: Date | undefined;
  }[];
  readonly verifiers: readonly VerifierReceipt[];
  /** Secrets of other systems that are not confirmed to have ended. */
  readonly exchanges: readonly { readonly exchangeId: string; readonly target: string }[];
  /** From here on no credential is accepted anywhere; exchanges live by the rules of other systems. */
  readonly latestPossibleAcceptance: Date | undefined;
};

/** A state that is not known here is none that one could rely on. */
export type ClosureStateName = "CLOSED" | "PARTIAL" | "UNKNOWN";

export function closureOfMessage(closure: ClosureMessage): Closure {
  return {
    state: stateOf(closure.state),
    places: closure.places.map(({ audience, state, until }) => ({
      audience: audience === "" ? undefined : audience,
      state: stateOf(state),
      until: until && timestampDate(until),
    })),
    verifiers: verifierReceiptsOf(closure.verifiers),
    exchanges: closure.exchanges.map(({ exchangeId, target }) => ({ exchangeId, target })),
    latestPossibleAcceptance: closure.latestPossibleAcceptance && timestampDate(closure.latestPossibleAcceptance),
  };
}

function stateOf(state: StateMessage): ClosureStateName {
  if (state === StateMessage.CLOSED) return "CLOSED";
  return state === StateMessage.PARTIAL ? "PARTIAL" : "UNKNOWN";
}
