import type { SpiffeId } from "./spiffe-id.ts";

/** The full names of the messages by which workloads can be referenced. SPIFFE Broker API section 3.1. */
export const REFERENCE_TYPES = ["stint.v1.WorkflowStepReference", "spiffe.broker.WorkloadPIDReference"] as const;

/** A message by which workloads are referenced, and whether that is allowed over TCP too. */
export type AllowedReference = { readonly type: (typeof REFERENCE_TYPES)[number]; readonly allowOverTcp: boolean };

/** Who may use the Broker API, and by which references: from the configuration alone. */
export type BrokerCallers = ReadonlyMap<SpiffeId, readonly AllowedReference[]>;
