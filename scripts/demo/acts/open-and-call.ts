import type { CallAnswer } from "../agent.ts";
import { inMs, type Report } from "../findings.ts";
import type { Scene } from "../scene.ts";

export function element(resource: string, tool: string, action: "read" | "execute", datatypes: readonly string[]) {
  return { type: "mcp_tool", locations: [resource], identifier: tool, actions: [action], datatypes } as const;
}

/** `403 GRANT_EXCEEDED in 4.1 ms` */
export function answered({ status, reason, tookMs }: CallAnswer): string {
  return `${status}${reason === "" ? "" : ` ${reason}`} after ${inMs(tookMs)}`;
}

export async function openTwoSteps({ runtime, resources, run }: Scene, report: Report): Promise<void> {
  report.begin("A runtime opens two steps, each for what it needs and no more");
  const { library } = resources;
  const agent = "researcher";
  const wanted = [
    { step: "find", grant: [element(library, "search", "read", ["public", "internal"])], may: "search" },
    { step: "catalog", grant: [element(library, "index", "execute", ["public"])], may: "index" },
  ];
  for (const { step, grant, may } of wanted) {
    const opened = await runtime.ask("open", { agent, run, step, grant });
    report.record(
      `opened-${step}`,
      `step ${step} may call ${may} at the library, and nothing else`,
      JSON.stringify(opened.grant) === JSON.stringify(grant),
      `${opened.spiffeId}, open and recorded after ${inMs(opened.tookMs)}`,
      { spiffeId: opened.spiffeId, openMs: opened.tookMs },
    );
  }
}

export async function callTools({ runtime, library, resources }: Scene, report: Report): Promise<void> {
  report.begin("It calls tools of MCP servers, with a JWT-SVID for each server");
  const granted = await runtime.ask("call", { step: "find", tool: "search", resource: resources.library });
  report.record(
    "granted-tool",
    "a tool within the grant is called",
    granted.status === 200 && granted.text !== "",
    `${answered(granted)}: “${granted.text}”`,
    { status: granted.status, callMs: granted.tookMs },
  );
  await library.next("called");

  const outside = await runtime.ask("call", { step: "find", tool: "erase", resource: resources.library });
  report.record(
    "ungranted-tool",
    "a tool outside the grant is refused with 403",
    outside.status === 403 && outside.challenge.includes('error="insufficient_scope"'),
    answered(outside),
    { status: outside.status, reason: outside.reason },
  );

  const elsewhere = await runtime.ask("call", {
    step: "find",
    tool: "search",
    resource: resources.archive,
    tokenFor: resources.library,
    withKept: true,
  });
  report.record(
    "wrong-audience",
    "the library's token is refused with 401 by the archive",
    elsewhere.status === 401,
    answered(elsewhere),
    { status: elsewhere.status, reason: elsewhere.reason },
  );
}
