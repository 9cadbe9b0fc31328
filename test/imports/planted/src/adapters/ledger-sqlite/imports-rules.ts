// planted: nothing
export { openStep } from "../../ledger/open-step.ts";
