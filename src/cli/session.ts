import type { Command } from "commander";
import { Steps } from "../gen/stint/v1/steps_pb.js";
import { openChannel } from "../wire/channel.ts";
import { type ClientOf, createClient } from "../wire/client.ts";
import type { Context } from "./context.ts";
import { ENDPOINT_VARIABLE } from "./endpoint-variable.ts";
import { ExitStatus } from "./failure.ts";
import { failureOf } from "./failure-of.ts";
import type { OutputFormat } from "./output/output-formats.ts";
import { createPrinter, type Printer } from "./output/printer.ts";

type GlobalOptions = {
  readonly output: OutputFormat;
  readonly operatorSocket: string;
  readonly socket: string;
  /** Seconds that one call may take. */
  readonly timeout: number;
};

type ServiceDescription = Parameters<typeof createClient>[0];

/** One command under way. */
export type Session = {
  readonly context: Context;
  readonly globals: GlobalOptions;
  readonly print: Printer;
  /** Says something to the person, beside the data. */
  note(text: string): void;
  /** A service of the broker as its operators see it. */
  readonly operator: <Service extends ServiceDescription>(service: Service) => ClientOf<Service>;
  /** The steps of the workload endpoint, as a runtime sees them. */
  workload(): ClientOf<typeof Steps>;
  /** Any other service of the workload endpoint. */
  readonly atWorkload: <Service extends ServiceDescription>(service: Service) => ClientOf<Service>;
  /** Steps to read: as an operator, unless only a workload endpoint was named. */
  readableSteps(): Pick<ClientOf<typeof Steps>, "get" | "getClosureReceipt" | "getTree" | "list" | "watchClosure">;
};

/**
 * Makes what commander calls: it opens a session for the act, calls the act with options and arguments, and then ends
 * the session's connections.
 *
 * @throws Failure
 */
export function acting<Options, Args extends readonly unknown[]>(
  context: Context,
  act: (session: Session, options: Options, ...args: Args) => Promise<void>,
): (...input: unknown[]) => Promise<void> {
  return async (...input) => {
    // The arguments, then the options, then the command.
    const command = input.at(-1) as Command;
    const args = input.slice(0, -2) as unknown as Args;
    const options = command.optsWithGlobals<GlobalOptions>();
    const opened: (() => void)[] = [];
    let endpoint: string | undefined;

    function clientAt<Service extends ServiceDescription>(socket: string, service: Service): ClientOf<Service> {
      endpoint = socket;
      const channel = openChannel(socket);
      opened.push(() => channel.close());
      return createClient(service, channel, { deadlineMs: options.timeout * 1_000 });
    }
    const operator: Session["operator"] = (service) => clientAt(options.operatorSocket, service);

    const session: Session = {
      context,
      globals: options,
      print: createPrinter(options.output, context.out),
      note: (text) => void context.err.write(`stint: ${text}\n`),
      operator,
      workload: () => clientAt(options.socket, Steps),
      atWorkload: (service) => clientAt(options.socket, service),
      readableSteps() {
        const named = (flag: string) => command.getOptionValueSourceWithGlobals(flag) !== "default";
        const onlyWorkload = !named("operatorSocket") && (named("socket") || hasEndpointVariable());
        return onlyWorkload ? this.workload() : operator(Steps);
      },
    };
    try {
      await act(session, options as Options, ...args);
    } catch (thrown) {
      throw thrown instanceof ExitStatus ? thrown : failureOf(thrown, endpoint);
    } finally {
      for (const close of opened) close();
    }
  };
}

function hasEndpointVariable(): boolean {
  return (process.env[ENDPOINT_VARIABLE] ?? "") !== "";
}
