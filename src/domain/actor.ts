/** Who brought an event about: an entry's process, or the broker itself. */
export type Actor =
  | { readonly kind: "entry"; readonly entryId: string; readonly process: string }
  | OperatorActor
  | {
      readonly kind: "broker";
      readonly cause:
        | "expiry"
        | "lease"
        | "hold"
        | "executor"
        | "attempt"
        | "config"
        | "restore"
        | "start"
        | "policy"
        | "retention"
        | "security-event";
    };

export type OperatorActor = { readonly kind: "operator"; readonly entryId: string; readonly uid: number };
