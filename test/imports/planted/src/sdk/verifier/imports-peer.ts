// planted: sdk-imports no-development-packages
export { Client } from "@modelcontextprotocol/sdk/client/index.js";
