/** Whether everything can be recorded, and if not, why; in words for the operator. */
export type LedgerHealth = { readonly writable: boolean; readonly reasons: readonly string[] };

export const HEALTHY: LedgerHealth = { writable: true, reasons: [] };

export function unhealthy(reason: string): LedgerHealth {
  return { writable: false, reasons: [reason] };
}
