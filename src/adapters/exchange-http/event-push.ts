import { ExchangeFailure } from "../../domain/exchange.ts";
import { errorCodeIn } from "../../domain/security-event.ts";
import { parseStrictText } from "../../domain/strict-json.ts";
import type { EventPush } from "../../ports/event-push.ts";
import { ask, type Endpoint } from "./ask.ts";

/**
 * Pushes to the URLs that receivers are registered with: by https, without redirects, on a connection of its own.
 *
 * @see RFC 8935 section 2
 */
export function httpEventPush(place: Omit<Endpoint, "url">): EventPush {
  return {
    async push(url, token) {
      const { status, text } = await ask(
        { ...place, url: new URL(url) },
        {
          method: "POST",
          headers: { "content-type": "application/secevent+jwt" },
          body: token,
          mayExist: false,
        },
      );
      if (status === 202 || status === 200) return;
      const code = errorCodeIn(parseStrictText(text));
      const answered = code === undefined ? `answered ${status}` : `answered ${status} ${code}`;
      throw new ExchangeFailure("unavailable", answered, { mayExist: false });
    },
  };
}
