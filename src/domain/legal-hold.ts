export type HoldScope = "run" | "agent" | "principal";

/** Who or what is held: the id of a run, the name of an agent, or the id of a principal. */
export type LegalHold = { readonly holdId: string; readonly scope: HoldScope; readonly value: string };
