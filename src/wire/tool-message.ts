import type { MessageInitShape } from "@bufbuild/protobuf";
import { invalidField } from "../domain/errors.ts";
import type { UnixMicros } from "../domain/time.ts";
import { TOOL_STATES, type ToolState } from "../domain/tool-definition.ts";
import {
  type ReportedToolStateSchema,
  ToolState as StateMessage,
  type ToolDefinitionSchema,
  type ToolRecordSchema,
} from "../gen/stint/v1/tools_pb.js";
import { timestampOfMicros } from "./timestamps.ts";

const MESSAGE_OF = {
  pinned: StateMessage.PINNED,
  changed: StateMessage.CHANGED,
  waiting: StateMessage.WAITING,
  unknown: StateMessage.UNKNOWN,
} as const satisfies Record<ToolState | "unknown", StateMessage>;

export function toolStateMessageOf(state: ToolState | "unknown"): StateMessage {
  return MESSAGE_OF[state];
}

/** States to look for. @throws BrokerError INVALID_FIELD */
export function toolStatesOfMessages(messages: readonly StateMessage[]): readonly ToolState[] {
  return messages.map((message) => {
    const state = TOOL_STATES.find((one) => MESSAGE_OF[one] === message);
    if (state === undefined) throw invalidField("states", `of ${TOOL_STATES.join(", ")}`);
    return state;
  });
}

export function reportedToolMessageOf(reported: {
  readonly tool: string;
  readonly state: ToolState | "unknown";
  readonly pinned?: string;
  readonly isRecorded: boolean;
}): MessageInitShape<typeof ReportedToolStateSchema> {
  const { tool, state, pinned, isRecorded } = reported;
  const unrecorded = state !== "unknown" && !isRecorded;
  return { tool, state: MESSAGE_OF[state], pinnedSha256: bytesOf(pinned), unrecorded };
}

export function toolRecordMessageOf(row: {
  readonly location: string;
  readonly tool: string;
  readonly state: ToolState;
  readonly pinned?: string;
  readonly newest: string;
  readonly seenAt: UnixMicros;
  readonly newestAt: UnixMicros;
  readonly pinnedAt?: UnixMicros;
  readonly acceptedBy?: string;
  readonly definitions: number;
}): MessageInitShape<typeof ToolRecordSchema> {
  const { location, tool, state, pinned, newest, seenAt, newestAt, pinnedAt, acceptedBy = "", definitions } = row;
  return {
    ...{ location, tool, definitions, acceptedBy },
    state: MESSAGE_OF[state],
    pinnedSha256: bytesOf(pinned),
    newestSha256: bytesOf(newest),
    seenAt: timestampOfMicros(seenAt),
    newestAt: timestampOfMicros(newestAt),
    ...(pinnedAt === undefined ? {} : { pinnedAt: timestampOfMicros(pinnedAt) }),
  };
}

export function toolDefinitionMessageOf(kept: {
  readonly sha256: string;
  readonly definition: string;
  readonly entryId?: string;
  readonly seenAt: UnixMicros;
}): MessageInitShape<typeof ToolDefinitionSchema> {
  const { sha256, definition, entryId = "", seenAt } = kept;
  return {
    definitionSha256: bytesOf(sha256),
    definitionJson: definition,
    seenAt: timestampOfMicros(seenAt),
    reportedBy: entryId,
  };
}

function bytesOf(sha256: string | undefined): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(sha256 ?? "", "hex"));
}
