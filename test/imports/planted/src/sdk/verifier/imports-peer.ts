// planted: sdk-imports no-development-packages
export { Client } from "@modelcontextprotocol/client";
