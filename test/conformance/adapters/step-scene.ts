import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { connectOperator, StepState } from "../../../src/sdk/operator/index.ts";
import { createStint, type Grant, type Stint, segment } from "../../../src/sdk/runtime/index.ts";
import { startDaemon } from "../../daemon.ts";

/** A real broker, a runtime at it, and a resource that tools ask with the credentials of their steps. */
export type StepScene = AsyncDisposable & {
  readonly stint: Stint;
  /** Where `look` looks. */
  readonly resource: string;
  /** To read at the resource by the tool of this name. */
  grantFor(tool: string): Grant;
  /** What no agent here is ever granted. */
  readonly above: Grant;
  /** As the step that is the current one. @returns the resource's answer, which names no credential */
  look(): Promise<string>;
  /** Every credential that the resource was shown, for a search of what a framework keeps. */
  readonly shown: readonly string[];
  /**
   * The steps of a run, oldest first: `search.c-1/1 COMPLETED`.
   *
   * @param runId - the framework's own.
   */
  stepsOf(runId: string): Promise<readonly string[]>;
  /** When a step is left unless it gives a sign of life. */
  leaseOf(stepId: string): Promise<Date>;
  /** Ends a step as an operator does. */
  revoke(runId: string, step: string): Promise<void>;
};

export async function startStepScene(): Promise<StepScene> {
  const shown: string[] = [];
  const server = createServer((request, response) => {
    const token = request.headers.authorization?.slice("Bearer ".length);
    if (token !== undefined) shown.push(token);
    response.writeHead(token === undefined ? 401 : 200).end("three owls");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const resource = `http://127.0.0.1:${(server.address() as AddressInfo).port}/owls`;
  const element = { type: "mcp_tool", locations: [resource], actions: ["read"], datatypes: ["internal"] } as const;
  const selectors = [`unix:uid:${process.getuid?.()}`];
  const daemon = await startDaemon({
    entries: [
      { kind: "agent", name: "researcher", selectors, ceiling: [{ ...element, identifier: "*" }] },
      { kind: "runtime", name: "flow", selectors, agents: ["researcher"] },
      { kind: "operator", name: "tester", selectors, role: "admin" },
    ],
  });
  const stint = createStint({ endpoint: daemon.workloadSocket, agent: "researcher" });
  const operator = connectOperator({ socket: daemon.operatorSocket });

  return {
    stint,
    resource,
    shown,
    grantFor: (tool) => [{ ...element, identifier: tool }],
    above: [{ ...element, identifier: "search", actions: ["write"] }],
    look: async () => (await stint.fetch(resource)).text(),
    async stepsOf(runId) {
      const { steps } = await operator.steps.list({ runId: segment(runId) });
      return steps.map(({ name, state }) => `${name?.step}/${name?.attempt} ${StepState[state]}`).reverse();
    },
    async leaseOf(stepId) {
      const { step } = await operator.steps.get({ by: { case: "stepId", value: stepId } });
      if (step?.leaseExpiresAt === undefined) throw new Error("the step has no lease");
      return timestampDate(step.leaseExpiresAt);
    },
    async revoke(runId, step) {
      const { step: found } = await operator.steps.get({
        by: { case: "name", value: { runId: segment(runId), step, attempt: 0 } },
      });
      await operator.revocations.revoke({ target: { case: "stepId", value: found?.stepId ?? "" } });
    },
    async [Symbol.asyncDispose]() {
      stint.close();
      operator.close();
      server.closeAllConnections();
      server.close();
      await daemon[Symbol.asyncDispose]();
    },
  };
}
