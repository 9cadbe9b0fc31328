// planted: nothing
export { getRequestListener } from "@hono/node-server";
