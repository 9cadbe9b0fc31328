// planted: nothing
export { McpServer } from "@modelcontextprotocol/server";
