// planted: sdk-imports
export { getRequestListener } from "@hono/node-server";
