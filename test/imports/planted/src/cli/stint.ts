// planted: cli-imports
export { run } from "../main.ts";
