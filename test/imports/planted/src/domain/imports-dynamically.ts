// planted: domain-imports
export const later = () => import("../adapters/ledger-sqlite/open-ledger.ts");
