// planted: sdk-imports no-development-packages
export { McpServer } from "@modelcontextprotocol/server";
