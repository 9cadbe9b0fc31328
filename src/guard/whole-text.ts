import { ANSWER_CHARACTERS_MAX, textOf } from "../sdk/mcp-guard/text-of.ts";
import { UpstreamFailure } from "./upstream-failure.ts";

/** @throws UpstreamFailure UPSTREAM_MALFORMED for a text that is too long, UPSTREAM_UNREACHABLE where it breaks off */
export async function wholeTextOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  try {
    return await textOf(body);
  } catch (cause) {
    if (cause instanceof RangeError) {
      const message = `the server's answer has more than ${ANSWER_CHARACTERS_MAX} characters`;
      throw new UpstreamFailure("UPSTREAM_MALFORMED", message);
    }
    throw new UpstreamFailure("UPSTREAM_UNREACHABLE", "the server's answer broke off", { cause });
  }
}
