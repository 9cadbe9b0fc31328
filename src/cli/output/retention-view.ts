import type { DueEvents, PruneResponse, RetentionGetResponse } from "../../gen/stint/v1/retention_pb.js";
import type { View } from "./view.ts";

export const retentionView: View<RetentionGetResponse> = {
  fields: [
    ["periods", ({ periods }) => Object.fromEntries(periods.map(({ eventClass, seconds }) => [eventClass, seconds]))],
    ["pruned_events", ({ prunedEvents }) => Number(prunedEvents)],
    ["snapshot_sequence", ({ snapshotSequence }) => Number(snapshotSequence)],
    ["snapshot_bytes", ({ snapshotBytes }) => Number(snapshotBytes)],
  ],
  columns: [],
};

export const prunedView: View<PruneResponse> = {
  fields: [["pruned_events", ({ prunedEvents }) => Number(prunedEvents)]],
  columns: [],
};

export const dueView: View<DueEvents> = {
  fields: [
    ["event_class", ({ eventClass }) => eventClass],
    ["events", ({ events }) => Number(events)],
    ["bytes", ({ bytes }) => Number(bytes)],
  ],
  columns: [
    { header: "CLASS", text: ({ eventClass }) => eventClass },
    { header: "EVENTS", text: ({ events }) => String(events), align: "right" },
    { header: "BYTES", text: ({ bytes }) => String(bytes), align: "right" },
  ],
};
