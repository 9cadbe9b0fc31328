import { isObject, type JsonObject } from "../../domain/strict-json.ts";
import type { VerifiedStep, Verifier } from "../verifier/index.ts";
import type { JsonRpcMessage } from "./json-rpc-message.ts";
import { REFUSAL_CODES, refusal } from "./refusal.ts";
import { createSessions, ID_CHARACTERS_MAX } from "./sessions.ts";

/**
 * Whose each task is that a server has made of a call: the step's that called, for as long as it is open. To others there is no such
 * task, and one that is not known here is nobody's.
 *
 * @see MCP 2025-11-25, tasks; SEP-2663
 */
export type Tasks = {
  /**
   * Notes the task that a result tells of, if any.
   *
   * @param canceller - makes what is called with the task's id when its step ends, and when it is forgotten for younger ones.
   *   What it makes is kept for as long as the task, so it should hold on to little.
   */
  note(result: JsonObject, caller: VerifiedStep, canceller: () => Cancel): void;
  /** Whether all the tasks that a message names are the caller's. */
  areOf(message: JsonRpcMessage, caller: VerifiedStep): boolean;
  /** The list without the tasks of others. */
  listed(result: JsonObject, caller: VerifiedStep): JsonObject;
  /** The same of a result of which nobody knows what it is an answer to. */
  repeated(result: JsonObject, caller: VerifiedStep): JsonObject;
};

type Cancel = (taskId: string) => void;

/** A result in which this text is not tells of no task. */
export const TASK_TEXT = '"taskId"';
export const TASKS_LIST = "tasks/list";
const TASK_METHODS = "tasks/";

/** @param signalFor - the verifier's. */
export function createTasks(signalFor: Verifier["signalFor"]): Tasks {
  const cancels = new Map<string, Cancel>();
  // They are owned as a step's sessions are.
  const owned = createSessions(signalFor, "step", (taskId) => {
    const cancel = cancels.get(taskId);
    cancels.delete(taskId);
    cancel?.(taskId);
  });
  const isOf = (taskId: unknown, caller: VerifiedStep) => typeof taskId === "string" && owned.isOf(taskId, caller);

  function listed(result: JsonObject, caller: VerifiedStep): JsonObject {
    const { tasks } = result;
    const own = Array.isArray(tasks) ? tasks.filter((task) => isObject(task) && isOf(task["taskId"], caller)) : [];
    return { ...result, tasks: own };
  }

  return {
    note(result, caller, canceller) {
      const taskId = taskOf(result);
      if (taskId === undefined || taskId.length > ID_CHARACTERS_MAX || cancels.has(taskId)) return;
      cancels.set(taskId, canceller());
      owned.bind(taskId, caller);
    },
    areOf({ method, params }, caller) {
      if (method === TASKS_LIST) return true;
      if (method.startsWith(TASK_METHODS)) return isOf(params["taskId"], caller);
      const { notifications } = params;
      const asked = isObject(notifications) ? notifications["taskIds"] : undefined;
      return asked === undefined || (Array.isArray(asked) && asked.every((taskId) => isOf(taskId, caller)));
    },
    listed,
    // A call's result could have anything beside its content.
    repeated: (result, caller) =>
      Array.isArray(result["tasks"]) && !("content" in result) ? listed(result, caller) : result,
  };
}

/** Before 2026-07-28 a result has it in `task`, since then it is one itself. */
function taskOf({ task, resultType, taskId }: JsonObject): string | undefined {
  const id = resultType === "task" ? taskId : isObject(task) ? task["taskId"] : undefined;
  return typeof id === "string" ? id : undefined;
}

/** What stands in `_meta` of every request since 2026-07-28 is some hundred characters. */
const META_CHARACTERS_MAX = 4_096;

/**
 * Makes what cancels a task at a server that has not heard it from its client.
 *
 * @param meta - `_meta` of the request whose task it is; left out where it is longer than it has to be.
 * @param send - sends a message as the step.
 */
export function cancellerOf(meta: unknown, send: (message: JsonObject) => Promise<void>): Cancel {
  const text = isObject(meta) ? JSON.stringify(meta) : "";
  const kept = text === "" || text.length > META_CHARACTERS_MAX ? {} : { _meta: JSON.parse(text) as unknown };
  return (taskId) =>
    void send({ jsonrpc: "2.0", id: `cancel ${taskId}`, method: "tasks/cancel", params: { taskId, ...kept } });
}

/** As a server answers that has no such task. */
export const NO_TASK = refusal({
  status: 200,
  code: REFUSAL_CODES.invalidParams,
  reason: "TASK_NOT_FOUND",
  message: "there is no such task",
});
