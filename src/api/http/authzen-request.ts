import {
  type CallRequest,
  checkCallRequest,
  type PresentedCredential,
  type UncheckedCall,
} from "../../check/call-request.ts";
import { BrokerError, invalidField } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { isObject, type JsonObject, parseStrictText } from "../../domain/strict-json.ts";

/** Which evaluations are made: all, or no more after the first deny, or the first permit. */
const SEMANTICS = ["execute_all", "deny_on_first_deny", "permit_on_first_permit"] as const;
export type Semantic = (typeof SEMANTICS)[number];

/** What is asked: one evaluation, or several, each as it is to be evaluated, defaults put in. */
export type Evaluations =
  | { readonly kind: "one"; readonly evaluation: JsonObject }
  | { readonly kind: "several"; readonly evaluations: readonly JsonObject[]; readonly semantic: Semantic };

/** The parts of an evaluation. One that is given for all counts where an evaluation has none of its own. */
const PARTS = ["subject", "action", "resource", "context"] as const;

/** @throws BrokerError INVALID_FIELD */
export function evaluationOf(body: string): JsonObject {
  const evaluation = parseStrictText(body);
  if (evaluation === undefined) throw invalidField("body", "a JSON object without repeated members");
  return evaluation;
}

/**
 * Several evaluations in one request; without any it is the request for one.
 *
 * @throws BrokerError INVALID_FIELD
 * @see AuthZEN Authorization API 1.0, Access Evaluations API
 */
export function evaluationsOf(body: string): Evaluations {
  const request = evaluationOf(body);
  const { evaluations = [], options = {} } = request;
  if (!Array.isArray(evaluations)) throw invalidField("evaluations", "a list of evaluations");
  if (evaluations.length > LIMITS.checksPerBatchMax) {
    throw invalidField("evaluations", `at most ${LIMITS.checksPerBatchMax}`);
  }
  if (!isObject(options)) throw invalidField("options", "an object");
  const { evaluations_semantic: named = "execute_all" } = options;
  const semantic = SEMANTICS.find((one) => one === named);
  if (semantic === undefined) throw invalidField("options.evaluations_semantic", `one of ${SEMANTICS.join(", ")}`);
  const defaults = Object.fromEntries(
    PARTS.flatMap((part) => (request[part] === undefined ? [] : [[part, request[part]]])),
  );
  if (evaluations.length === 0) return { kind: "one", evaluation: defaults };
  return {
    kind: "several",
    semantic,
    evaluations: evaluations.map((one: unknown) => {
      if (!isObject(one)) throw invalidField("evaluations", "objects");
      return { ...defaults, ...one };
    }),
  };
}

/**
 * One evaluation as the question about a call. The subject is a presented credential: a name alone says nothing of who
 * has sent a request.
 *
 * @throws BrokerError INVALID_FIELD
 */
export function callOf({ subject, action, resource, context = {} }: JsonObject): CallRequest {
  const asked = objectAt(resource, "resource");
  if (asked["type"] !== "mcp_tool") throw invalidField("resource.type", '"mcp_tool"');
  const properties = objectAt(asked["properties"], "resource.properties");
  const { data_class: dataClass } = properties;
  const presented = objectAt(subject, "subject");
  const given = objectAt(context, "context");
  const request = checkedCall({
    credential: credentialOf(presented),
    location: textAt(properties["location"], "resource.properties.location"),
    tool: textAt(asked["id"], "resource.id"),
    actions: [textAt(objectAt(action, "action")["name"], "action.name")],
    datatypes: (Array.isArray(dataClass) ? dataClass : [dataClass]).map((one) =>
      textAt(one, "resource.properties.data_class"),
    ),
    argumentsSha256: digestIn(given),
    acceptPending: acceptsPending(given),
  });
  return { ...request, subject: textAt(presented["id"], "subject.id") };
}

/** Where an evaluation has what the question about a call has by another name. */
const FIELDS: Readonly<Record<string, string>> = {
  actions: "action.name",
  datatypes: "resource.properties.data_class",
  location: "resource.properties.location",
  tool: "resource.id",
};

/** A fault is told by the field of the evaluation, since whoever sent it has never seen the other's. */
function checkedCall(call: UncheckedCall): CallRequest {
  try {
    return checkCallRequest(call);
  } catch (thrown) {
    if (!(thrown instanceof BrokerError)) throw thrown;
    const { field = "" } = thrown.metadata;
    const named = FIELDS[field];
    throw named === undefined ? thrown : invalidField(named, thrown.message.slice(`${field}: `.length));
  }
}

function credentialOf(subject: JsonObject): PresentedCredential {
  const { type } = subject;
  const properties = objectAt(subject["properties"], "subject.properties");
  const property = (name: string) => textAt(properties[name], `subject.properties.${name}`);
  switch (type) {
    case "jwt_svid":
      return { kind: "jwt-svid", token: property("token") };
    case "wit_svid":
      return { kind: "wit-svid", witSvid: property("wit_svid"), txnToken: property("txn_token") };
    default:
      throw invalidField("subject.type", "jwt_svid or wit_svid");
  }
}

const SHA256 = /^[0-9a-f]{64}$/;

function digestIn({ arguments_sha256: digest }: JsonObject): Uint8Array {
  if (digest === undefined) return new Uint8Array();
  if (typeof digest === "string" && SHA256.test(digest)) return new Uint8Array(Buffer.from(digest, "hex"));
  throw invalidField("context.arguments_sha256", "64 hexadecimal digits in lower case");
}

function acceptsPending({ accept_pending: accepted = false }: JsonObject): boolean {
  if (typeof accepted !== "boolean") throw invalidField("context.accept_pending", "true or false");
  return accepted;
}

function objectAt(value: unknown, field: string): JsonObject {
  if (!isObject(value)) throw invalidField(field, "an object");
  return value;
}

function textAt(value: unknown, field: string): string {
  if (typeof value !== "string" || value === "") throw invalidField(field, "a text");
  return value;
}
