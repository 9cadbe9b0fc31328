// planted: ports-imports
export { issueSvid } from "../issue/issue-svid.ts";
