import { checkMayLook } from "../../decide/step-access.ts";
import { invalidField } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Attested } from "../../domain/stages.ts";
import type { Entries } from "../../gen/stint/v1/entries_pb.js";
import type { EntryDirectory } from "../../ports/directories.ts";
import type { Registry } from "../../registry/registry.ts";
import { entryContentOfMessage, entryMessageOf } from "../../wire/entry-message.ts";
import type { HandlersOf } from "../../wire/service-definition.ts";
import { type Endpoint, unary } from "./call.ts";
import { operatorActor } from "./revocations.ts";

export type EntriesPorts = { readonly registry: Registry; readonly entries: EntryDirectory };

export function entriesHandlers(endpoint: Endpoint, ports: EntriesPorts): HandlersOf<typeof Entries> {
  const { registry } = ports;
  const actor = (caller: Attested) => operatorActor(caller, ["admin"]);
  return {
    create: unary(endpoint, "Entries.Create", async (request, caller, ids) => {
      const by = actor(caller);
      const { entry } = await registry.create(entryContentOfMessage(request.content), "api", by);
      ids["entryId"] = entry.entryId;
      return { entry: entryMessageOf(entry) };
    }),
    get: unary(endpoint, "Entries.Get", async (request, caller) => {
      checkMayLook(caller);
      return { entry: entryMessageOf(registry.find(request.entry)) };
    }),
    list: unary(endpoint, "Entries.List", async (request, caller) => {
      checkMayLook(caller);
      if (request.pageSize > LIMITS.pageSizeMax) throw invalidField("page_size", `at most ${LIMITS.pageSizeMax}`);
      const limit = request.pageSize === 0 ? LIMITS.pageSizeDefault : request.pageSize;
      // Ids are ordered by time, so the next page begins after the last id of this page.
      const rest = ports.entries
        .all()
        .filter((entry) => entry.entryId > request.pageToken)
        .sort((a, b) => (a.entryId < b.entryId ? -1 : 1));
      const page = rest.slice(0, limit);
      return {
        entries: page.map(entryMessageOf),
        nextPageToken: rest.length > limit ? (page.at(-1)?.entryId ?? "") : "",
      };
    }),
    update: unary(endpoint, "Entries.Update", async (request, caller, ids) => {
      const by = actor(caller);
      const content = entryContentOfMessage(request.content);
      const { entry, stepsClosed } = await registry.update(request.entry, content, Number(request.revision), by);
      ids["entryId"] = entry.entryId;
      return { entry: entryMessageOf(entry), stepsClosed };
    }),
    disable: unary(endpoint, "Entries.Disable", async (request, caller, ids) => {
      const { entry, stepsClosed } = await registry.disable(request.entry, actor(caller));
      ids["entryId"] = entry.entryId;
      return { entry: entryMessageOf(entry), stepsClosed };
    }),
    enable: unary(endpoint, "Entries.Enable", async (request, caller, ids) => {
      const { entry } = await registry.enable(request.entry, actor(caller));
      ids["entryId"] = entry.entryId;
      return { entry: entryMessageOf(entry) };
    }),
    delete: unary(endpoint, "Entries.Delete", async (request, caller, ids) => {
      const { entryId, stepsClosed } = await registry.remove(request.entry, actor(caller));
      ids["entryId"] = entryId;
      return { stepsClosed };
    }),
  };
}
