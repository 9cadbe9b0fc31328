/** Beside the ledger: one id of an issuance a line, in the order in which signatures were asked for. */
export const SIGNED_FILE = "signed";
