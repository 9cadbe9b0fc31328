// planted: nothing
export { run } from "../main.ts";
