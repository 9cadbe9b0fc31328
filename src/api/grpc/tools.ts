import { hexDigestOf, type ReportToolsPorts, reportTools } from "../../check/report-tools.ts";
import { checkMayLook, operatorWith } from "../../decide/step-access.ts";
import { errorOf, invalidField, isDenial } from "../../domain/errors.ts";
import { checkResourceUri, isToolName } from "../../domain/grant.ts";
import { checkReason } from "../../domain/recorded-reason.ts";
import type { Tools } from "../../gen/stint/v1/tools_pb.js";
import type { HistoryReads } from "../../ports/ledger-reads.ts";
import type { ToolReads, ToolRow } from "../../ports/tool-reads.ts";
import type { HandlersOf } from "../../wire/service-definition.ts";
import {
  reportedToolMessageOf,
  toolDefinitionMessageOf,
  toolRecordMessageOf,
  toolStatesOfMessages,
} from "../../wire/tool-message.ts";
import { type Endpoint, unary } from "./call.ts";
import { nextPageToken, pageOf } from "./paging.ts";

export type ToolsPorts = ReportToolsPorts & {
  readonly tools: ToolReads;
  readonly history: Pick<HistoryReads, "tools">;
};

export function toolsHandlers(endpoint: Endpoint, ports: ToolsPorts): HandlersOf<typeof Tools> {
  return {
    report: unary(endpoint, "Tools.Report", async ({ location, tools }, caller, ids) => {
      const shown = tools.map(({ tool, definitionSha256: sha256, definitionJson: json }) => ({ tool, sha256, json }));
      const reported = await reportTools(caller, { location, tools: shown }, ports);
      const unrecorded = reported.filter(({ state, isRecorded }) => state !== "unknown" && !isRecorded).length;
      if (unrecorded > 0) ids["unrecorded"] = String(unrecorded);
      return { tools: reported.map(reportedToolMessageOf) };
    }),
    list: unary(endpoint, "Tools.List", async ({ pageSize, pageToken, location, states }, caller) => {
      checkMayLook(caller);
      const page = pageOf(pageSize, pageToken);
      const rows = await ports.history.tools({
        ...page,
        ...(location === "" ? {} : { location }),
        ...(states.length === 0 ? {} : { states: toolStatesOfMessages(states) }),
      });
      return {
        tools: rows.map(toolRecordMessageOf),
        nextPageToken: nextPageToken(rows, page.limit, (row) => row.sequence),
      };
    }),
    get: unary(endpoint, "Tools.Get", async ({ location, tool }, caller, ids) => {
      checkMayLook(caller);
      checkNamed(location, tool);
      ids["tool"] = tool;
      const row = await knownTool(location, tool, ports);
      const definitions = await ports.tools.definitions(location, tool);
      return { tool: toolRecordMessageOf(row), definitions: definitions.map(toolDefinitionMessageOf) };
    }),
    forget: unary(endpoint, "Tools.Forget", async ({ location, tool, reason }, caller, ids) => {
      const { entryId } = operatorWith(caller, ["approver", "admin"]);
      checkNamed(location, tool);
      ids["tool"] = tool;
      checkReason(reason);
      const by = { kind: "operator", entryId, uid: caller.uid } as const;
      const now = ports.clock.now();
      const forgotten = await ports.ledger.perform({ act: "forget-tool", location, tool, reason, by, now });
      if (isDenial(forgotten)) throw errorOf(forgotten);
      await ports.inToolDirectory(forgotten.sequence);
      return { sequence: BigInt(forgotten.sequence) };
    }),
    accept: unary(endpoint, "Tools.Accept", async (request, caller, ids) => {
      const { location, tool, reason } = request;
      const { entryId } = operatorWith(caller, ["approver", "admin"]);
      checkNamed(location, tool);
      ids["tool"] = tool;
      const sha256 = hexDigestOf(request.definitionSha256, "definition_sha256");
      checkReason(reason);
      const by = { kind: "operator", entryId, uid: caller.uid } as const;
      const now = ports.clock.now();
      const accepted = await ports.ledger.perform({ act: "accept-tool", location, tool, sha256, reason, by, now });
      if (isDenial(accepted)) throw errorOf(accepted);
      await ports.inToolDirectory(accepted.sequence);
      const row = await knownTool(location, tool, ports);
      return { sequence: BigInt(accepted.sequence), tool: toolRecordMessageOf(row) };
    }),
  };
}

function checkNamed(location: string, tool: string): void {
  checkResourceUri(location, "location");
  if (!isToolName(tool)) throw invalidField("tool", "the name of one tool");
}

/** @throws BrokerError INVALID_FIELD */
async function knownTool(location: string, tool: string, { tools }: ToolsPorts): Promise<ToolRow> {
  const row = await tools.tool(location, tool);
  if (row === undefined) throw invalidField("tool", "one that was reported at this location");
  return row;
}
