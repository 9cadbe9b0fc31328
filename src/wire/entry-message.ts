import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import { type EntryContentInput, parseEntryContent } from "../domain/entry-content.ts";
import { invalidField } from "../domain/errors.ts";
import {
  type EntryContent,
  federatesWith,
  type OperatorRole,
  type RegistrationEntry,
} from "../domain/registration-entry.ts";
import {
  type EntryContent as ContentMessage,
  type EntryContentSchema,
  EntryOrigin,
  type EntrySchema,
  OperatorRole as RoleMessage,
} from "../gen/stint/v1/entries_pb.js";
import { grantMembersOf, grantMessageOf } from "./grant-message.ts";
import { durationOfSeconds, secondsOfDuration, timestampOfMicros } from "./timestamps.ts";

const ROLES = {
  viewer: RoleMessage.VIEWER,
  approver: RoleMessage.APPROVER,
  detector: RoleMessage.DETECTOR,
  standby: RoleMessage.STANDBY,
  admin: RoleMessage.ADMIN,
} as const satisfies Record<OperatorRole, RoleMessage>;

/** The role a message names; `undefined` for unspecified, and for a role that this version does not know. */
export function operatorRoleOf(message: RoleMessage): OperatorRole | undefined {
  return (Object.keys(ROLES) as OperatorRole[]).find((role) => ROLES[role] === message);
}

export function operatorRoleMessageOf(role: OperatorRole): RoleMessage {
  return ROLES[role];
}

export function entryMessageOf(entry: RegistrationEntry): MessageInitShape<typeof EntrySchema> {
  return {
    entryId: entry.entryId,
    content: entryContentMessageOf(entry.content),
    origin: entry.origin === "config" ? EntryOrigin.CONFIG : EntryOrigin.API,
    disabled: entry.disabled,
    revision: BigInt(entry.revision),
    spiffeId: entry.spiffeId,
    createdAt: timestampOfMicros(entry.createdAt),
    updatedAt: timestampOfMicros(entry.updatedAt),
  };
}

export function entryContentMessageOf(content: EntryContent): MessageInitShape<typeof EntryContentSchema> {
  return {
    name: content.name,
    selectors: [...content.selectors],
    kind: kindMessageOf(content),
    federatesWith: [...federatesWith({ content })],
  };
}

function kindMessageOf(content: EntryContent): MessageInitShape<typeof EntryContentSchema>["kind"] & {} {
  switch (content.kind) {
    case "agent":
      return {
        case: "agent",
        value: {
          spiffeIdTemplate: content.spiffeIdTemplate,
          ceiling: grantMessageOf(content.ceiling),
          audiences: [...content.audiences],
          exchangeAudiences: [...content.exchangeAudiences],
          jwtSvidTtl: durationOfSeconds(content.jwtSvidTtlSeconds),
          x509SvidTtl: durationOfSeconds(content.x509SvidTtlSeconds),
          stepDurationMax: durationOfSeconds(content.stepSecondsMax),
          mayOpen: content.mayOpen,
          allowAnyExecutor: content.allowAnyExecutor,
          allowMultipleAudiences: content.allowMultipleAudiences,
          allowExecutorTree: content.allowExecutorTree ?? false,
          executorOpenStepsMax: content.executorOpenStepsMax ?? 0,
          allowDescendants: content.allowDescendants ?? false,
        },
      };
    case "runtime":
      return {
        case: "runtime",
        value: {
          agents: [...content.agents],
          openStepsMax: content.openStepsMax,
          allowDescendants: content.allowDescendants ?? false,
        },
      };
    case "verifier":
      return {
        case: "verifier",
        value: {
          audiences: [...content.audiences],
          maxStaleness: durationOfSeconds(content.maxStalenessSeconds),
          receiptKey: content.receiptKey ?? "",
          eventsUrl: content.eventsUrl ?? "",
        },
      };
    case "operator":
      return { case: "operator", value: { role: ROLES[content.role] } };
    case "node":
      return {
        case: "node",
        value: { machineName: content.machineName ?? "", barredMachines: [...(content.barredMachines ?? [])] },
      };
    case "server":
      return { case: "server", value: {} };
  }
}

/**
 * Accepts an entry's content from a request, with its defaults filled in.
 *
 * @throws BrokerError INVALID_FIELD naming the member, as `content.jwt_svid_ttl`
 */
export function entryContentOfMessage(message: ContentMessage | undefined): EntryContent {
  if (message === undefined) throw invalidField("content", "what the entry says");
  return parseEntryContent(inputOf(message), "content.");
}

function inputOf(message: ContentMessage): EntryContentInput {
  const { name, selectors, kind, federatesWith: trustDomains } = message;
  switch (kind.case) {
    case "agent": {
      const agent = kind.value;
      return {
        kind: "agent",
        name,
        selectors,
        federatesWith: trustDomains,
        spiffeIdTemplate: agent.spiffeIdTemplate === "" ? undefined : agent.spiffeIdTemplate,
        ceiling: agent.ceiling === undefined ? undefined : grantMembersOf(agent.ceiling),
        audiences: agent.audiences,
        exchangeAudiences: agent.exchangeAudiences,
        jwtSvidTtlSeconds: seconds(agent.jwtSvidTtl, "content.jwt_svid_ttl"),
        x509SvidTtlSeconds: seconds(agent.x509SvidTtl, "content.x509_svid_ttl"),
        stepSecondsMax: seconds(agent.stepDurationMax, "content.step_duration_max"),
        mayOpen: agent.mayOpen,
        allowAnyExecutor: agent.allowAnyExecutor,
        allowMultipleAudiences: agent.allowMultipleAudiences,
        allowExecutorTree: agent.allowExecutorTree,
        executorOpenStepsMax: agent.executorOpenStepsMax === 0 ? undefined : agent.executorOpenStepsMax,
        allowDescendants: agent.allowDescendants,
      };
    }
    case "runtime": {
      const { agents, openStepsMax, allowDescendants } = kind.value;
      return {
        kind: "runtime",
        name,
        selectors,
        federatesWith: trustDomains,
        agents,
        openStepsMax: openStepsMax === 0 ? undefined : openStepsMax,
        allowDescendants,
      };
    }
    case "verifier": {
      const { audiences, maxStaleness, receiptKey, eventsUrl } = kind.value;
      return {
        kind: "verifier",
        name,
        selectors,
        federatesWith: trustDomains,
        audiences,
        maxStalenessSeconds: seconds(maxStaleness, "content.max_staleness"),
        ...(receiptKey === "" ? {} : { receiptKey }),
        eventsUrl: eventsUrl === "" ? undefined : eventsUrl,
      };
    }
    case "operator":
      if (trustDomains.length > 0) throw invalidField("content.federates_with", "none for an operator");
      return { kind: "operator", name, selectors, role: operatorRoleOf(kind.value.role) ?? "" };
    case "node":
      if (trustDomains.length > 0) throw invalidField("content.federates_with", "none for a node");
      return {
        kind: "node",
        name,
        selectors,
        machineName: kind.value.machineName,
        barredMachines: kind.value.barredMachines,
      };
    case "server":
    case undefined:
      throw invalidField("content.kind", "agent, runtime, verifier, operator or node");
  }
}

function seconds(duration: Duration | undefined, field: string): number | undefined {
  return duration === undefined ? undefined : secondsOfDuration(duration, field);
}
