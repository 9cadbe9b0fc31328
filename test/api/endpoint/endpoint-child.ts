// A broker's endpoint of the tests in a process of its own, so that it can be short of descriptors.
import process from "node:process";
import { serveWho } from "./who-service.ts";

const [path = ""] = process.argv.slice(2);
const { endpoint } = await serveWho({ path, mode: 0o666 });
process.stdout.write("listening\n");
process.stdin.on("data", () => process.stdout.write(`connections ${JSON.stringify(endpoint.connections())}\n`));
