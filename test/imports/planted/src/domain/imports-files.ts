// planted: domain-imports
export { readFileSync } from "node:fs";
