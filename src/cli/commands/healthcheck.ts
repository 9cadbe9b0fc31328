import type { Command } from "commander";
import { isServing } from "../../wire/health-client.ts";
import type { Context } from "../context.ts";
import { EXIT, Failure } from "../failure.ts";
import { acting } from "../session.ts";

/** Asked every few seconds by whatever runs a container: it takes no entry, and leaves nothing in the ledger. */
export function addHealthcheck(healthcheck: Command, context: Context): void {
  healthcheck.action(
    acting(context, async ({ globals, atWorkload }) => {
      const { socket } = globals;
      if (!(await isServing(atWorkload))) {
        throw new Failure(`not ready: ${socket} answers, and issues nothing; stint status says why`, EXIT.refused);
      }
      context.out.write(`ready: ${socket}\n`);
    }),
  );
}
