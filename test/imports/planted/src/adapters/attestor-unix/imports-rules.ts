// planted: adapters-attestor-unix-imports
export { openStep } from "../../ledger/open-step.ts";
