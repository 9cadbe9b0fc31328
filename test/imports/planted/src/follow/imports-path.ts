// planted: follow-imports
export { issueSvid } from "../issue/issue-svid.ts";
