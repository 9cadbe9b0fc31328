import { BrokerError, invalidField } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { PolicyFilePart } from "../../gen/stint/v1/policies_pb.js";

/** A file of policies as it was sent. */
export type SentFile = { readonly name: string; readonly text: Uint8Array };
/** What came in one stream. */
export type SentPolicies<Request> = {
  /** Absent of a stream without messages. */
  readonly first: Request | undefined;
  readonly files: readonly SentFile[];
  readonly baseline: boolean;
};

type Part = { readonly part?: PolicyFilePart | undefined; readonly baseline: boolean };

/** Without a folder, and nothing that could forge a line of a log. */
const FILE_NAME = /^[A-Za-z0-9._-]{1,122}\.cedar$/;

/**
 * Files of policies from their parts.
 *
 * @throws BrokerError INVALID_FIELD for a name; LIMIT_EXCEEDED beyond `LIMITS.policySetBytesMax`,
 *   `LIMITS.policiesPerSetMax`
 */
export async function sentPolicies<Request extends Part>(
  requests: AsyncIterable<Request>,
): Promise<SentPolicies<Request>> {
  const parts = new Map<string, Uint8Array[]>();
  let first: Request | undefined;
  let latest = "";
  let baseline = false;
  let bytes = 0;
  for await (const request of requests) {
    first ??= request;
    baseline ||= request.baseline;
    const { part } = request;
    if (part === undefined) continue;
    if (!FILE_NAME.test(part.file))
      throw invalidField("part.file", "a file's name, e.g. site.cedar, without its folder");
    bytes += part.text.length;
    if (bytes > LIMITS.policySetBytesMax) throw tooMuch(`${LIMITS.policySetBytesMax} bytes of policies`);
    const known = parts.get(part.file);
    if (known !== undefined && part.file !== latest) {
      throw invalidField("part.file", "the parts of one file, one after the other");
    }
    latest = part.file;
    if (known === undefined) parts.set(part.file, [part.text]);
    else known.push(part.text);
    if (parts.size > LIMITS.policiesPerSetMax) throw tooMuch(`${LIMITS.policiesPerSetMax} files of policies`);
  }
  const files = [...parts].map(([name, texts]) => ({ name, text: Buffer.concat(texts) }));
  return { first, files, baseline };
}

function tooMuch(most: string): BrokerError {
  return new BrokerError("LIMIT_EXCEEDED", `at most ${most}`);
}
