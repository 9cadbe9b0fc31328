import { type Command, InvalidArgumentError, Option } from "commander";
import { TOOL_STATES, type ToolState } from "../../domain/tool-definition.ts";
import { Tools } from "../../gen/stint/v1/tools_pb.js";
import { toolStateMessageOf } from "../../wire/tool-message.ts";
import type { Context } from "../context.ts";
import { usageFailure } from "../failure.ts";
import { listFlag } from "../flags.ts";
import { comparedTool, comparedToolView, differencePage, isSame, toolView } from "../output/tool-view.ts";
import { addPaging, type PagingOptions, rowsOf } from "../paging.ts";
import { acting } from "../session.ts";

type ListOptions = PagingOptions & { readonly location?: string; readonly state?: readonly ToolState[] };

/** Definitions of tools: which are pinned, which changed, and what an operator accepts of that. */
export function addTool(tool: Command, context: Context): void {
  addPaging(tool.command("list").description("tools that were reported, newest first"))
    .option("--location <uri>", "of this server")
    .addOption(stateOption())
    .action(
      acting(context, async (session, options: ListOptions) => {
        const tools = session.operator(Tools);
        const states = (options.state ?? []).map(toolStateMessageOf);
        const { location = "" } = options;
        const list = (page: { readonly pageSize: number; readonly pageToken: string }) =>
          tools.list({ ...page, location, states });
        await session.print.rows(toolView, await rowsOf(session, options, list, (page) => page.tools));
      }),
    );

  named(
    tool
      .command("show")
      .description("one tool, and in which members its newest definition differs from what is pinned"),
  )
    .addOption(
      new Option("--definition <sha256>", "compare another definition that is kept of it").argParser(digestArgument),
    )
    .action(
      acting(context, async (session, options: { readonly definition?: Buffer }, location: string, name: string) => {
        const { tool: shown, definitions } = await session.operator(Tools).get({ location, tool: name });
        const wanted = options.definition ?? shown?.newestSha256 ?? Buffer.of();
        const compared = definitions.find((one) => isSame(one.definitionSha256, wanted));
        if (shown === undefined || compared === undefined) {
          throw usageFailure("--definition: one of those that -o json shows below kept");
        }
        const all = comparedTool(shown, definitions, compared);
        if (session.globals.output !== "table") return session.print.one(comparedToolView, all);
        await session.print.one(toolView, shown);
        context.out.write(differencePage(all));
      }),
    );

  named(tool.command("accept").description("pin a definition, as an operator with the role approver or admin"))
    .argument("<sha256>", "digest of the definition that was looked at, as show says it", digestArgument)
    .requiredOption("--reason <text>", "why; recorded")
    .action(
      acting(
        context,
        async (session, { reason }: { readonly reason: string }, location: string, name: string, sha256: Buffer) => {
          const definitionSha256 = new Uint8Array(sha256);
          const { tool: accepted } = await session
            .operator(Tools)
            .accept({ location, tool: name, definitionSha256, reason });
          if (accepted !== undefined) await session.print.one(toolView, accepted);
        },
      ),
    );

  named(
    tool
      .command("forget")
      .description("what its server has no more, as if it had never been reported; by the same roles"),
  )
    .requiredOption("--reason <text>", "why; recorded")
    .action(
      acting(context, async (session, { reason }: { readonly reason: string }, location: string, name: string) => {
        await session.operator(Tools).forget({ location, tool: name, reason });
        session.note("forgotten: the next report of it is the first");
      }),
    );
}

function named(command: Command): Command {
  return command.argument("<location>", "the server's URI").argument("<tool>", "name of the tool");
}

function stateOption(): Option {
  return new Option("--state <state>", "in one of these states; may be repeated")
    .choices(TOOL_STATES)
    .argParser((text: string, before: readonly string[] | undefined) => {
      if (!(TOOL_STATES as readonly string[]).includes(text)) {
        throw new InvalidArgumentError(`Allowed choices are ${TOOL_STATES.join(", ")}.`);
      }
      return listFlag(text, before);
    });
}

/** @throws InvalidArgumentError */
function digestArgument(text: string): Buffer {
  if (!/^[0-9a-f]{64}$/.test(text)) throw new InvalidArgumentError("Expected the whole digest: 64 digits 0-9, a-f.");
  return Buffer.from(text, "hex");
}
