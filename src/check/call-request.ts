import { BrokerError, invalidField } from "../domain/errors.ts";
import { ANY, type GrantElement, parseGrant } from "../domain/grant.ts";

/** What came with a call to say whose it is. */
export type PresentedCredential =
  | { readonly kind: "jwt-svid"; readonly token: string }
  /** A WIT-SVID, and the transaction token whose grant counts. */
  | { readonly kind: "wit-svid"; readonly witSvid: string; readonly txnToken: string };

/** One call of a tool that is asked about. */
export type CallRequest = {
  readonly credential: PresentedCredential;
  /** Whose the credential is to be, a SPIFFE ID; absent: whoever's it is. */
  readonly subject?: string;
  /** Where the tool is. */
  readonly location: string;
  /** The call as the element that would grant it, and nothing more. */
  readonly use: GrantElement;
  /** SHA-256 of the arguments' canonical JSON, hexadecimal. */
  readonly argumentsSha256?: string;
  /** What policies hold back until it is approved, is to wait for that. */
  readonly acceptPending: boolean;
};

/** A request as it came: texts and bytes of whatever kind. */
export type UncheckedCall = {
  readonly credential: PresentedCredential;
  readonly location: string;
  readonly tool: string;
  readonly actions: readonly string[];
  readonly datatypes: readonly string[];
  /** Empty: not told. */
  readonly argumentsSha256: Uint8Array;
  /** Empty: not told. */
  readonly definitionSha256?: Uint8Array;
  readonly acceptPending?: boolean;
};

const SHA256_BYTES = 32;
/** Members of the element, by the fields of the request. */
const FIELDS = { "grant[0].identifier": "tool", "grant[0].locations": "location" } as Readonly<Record<string, string>>;

/** @throws BrokerError INVALID_FIELD */
export function checkCallRequest(input: UncheckedCall): CallRequest {
  const { credential, location, tool, actions, datatypes, argumentsSha256, acceptPending = false } = input;
  const texts = credential.kind === "jwt-svid" ? [credential.token] : [credential.witSvid, credential.txnToken];
  if (texts.includes("")) throw invalidField("credential", "a JWT-SVID, or a WIT-SVID with its transaction token");
  if (tool === ANY) throw invalidField("tool", "the name of one tool");
  const digest = Buffer.from(argumentsSha256).toString("hex");
  if (![0, SHA256_BYTES].includes(argumentsSha256.length)) {
    throw invalidField("arguments_sha256", `${SHA256_BYTES} bytes, or none`);
  }
  const definition = Buffer.from(input.definitionSha256 ?? []).toString("hex");
  if (![0, 2 * SHA256_BYTES].includes(definition.length)) {
    throw invalidField("definition_sha256", `${SHA256_BYTES} bytes, or none`);
  }
  const ofDefinition = definition === "" ? {} : { definition_sha256: definition };
  const use = useOf({ type: "mcp_tool", locations: [location], identifier: tool, actions, datatypes, ...ofDefinition });
  return { credential, location, use, ...(digest === "" ? {} : { argumentsSha256: digest }), acceptPending };
}

/** A call is held to what an element that grants it is held to. */
function useOf(element: Readonly<Record<string, unknown>>): GrantElement {
  try {
    const [use] = parseGrant([element], { ceiling: false });
    if (use !== undefined) return use;
  } catch (thrown) {
    if (!(thrown instanceof BrokerError)) throw thrown;
    const { field = "" } = thrown.metadata;
    const named = FIELDS[field] ?? field.replace("grant[0].", "");
    throw invalidField(named, thrown.message.slice(thrown.message.indexOf(": ") + 2));
  }
  throw invalidField("tool", "the name of one tool");
}
