// planted: domain-imports no-unresolvable
export { absent } from "./absent.ts";
