export { stepTools } from "./step-tools.ts";
