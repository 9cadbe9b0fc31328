import type { Work } from "./compiled-generator.ts";
import type { Row } from "./rows.ts";

/** Each caller is a process with a connection of its own. */
export const LOADS = [
  { row: "jwt", kind: "jwt", what: "JWT-SVID" },
  { row: "fetch", kind: "spiffe-jwt", what: "FetchJWTSVID" },
  { row: "x509", kind: "x509", what: "X.509-SVID" },
  { row: "open", kind: "open", what: "Open with a JWT-SVID, Close" },
] as const satisfies readonly { readonly row: Row; readonly kind: Work; readonly what: string }[];
/** Before anything of a kind is measured: its code is compiled by then, and twice as fast. */
export const BROKER_WARM_UP = { callers: 64, seconds: 1, warmUpSeconds: 0 };
export const formatCallers = (callers: number) => (callers === 1 ? "1 caller" : `${callers} callers`);
