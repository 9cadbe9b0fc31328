import type { LedgerGetResponse } from "../../gen/stint/v1/ledger_pb.js";
import { hexField } from "./fields.ts";
import type { View } from "./view.ts";

export const ledgerView: View<LedgerGetResponse> = {
  fields: [
    ["epoch", (ledger) => ledger.epoch],
    ["sequence", (ledger) => Number(ledger.sequence)],
    ["root_hash", (ledger) => hexField(ledger.rootHash)],
    ["suspended_because", (ledger) => ledger.suspendedBecause],
  ],
  columns: [],
};
