export { stepTool } from "./step-tool.ts";
