// planted: ledger-imports
export { issueSvid } from "../issue/issue-svid.ts";
