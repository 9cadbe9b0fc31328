import { ExchangeFailure } from "../../domain/exchange.ts";
import { isObject, parseStrictText } from "../../domain/strict-json.ts";
import type { EventPush } from "../../ports/event-push.ts";
import { ask, type Endpoint } from "./ask.ts";

/** Error codes of RFC 8935 section 2.4, which are told to operators; other texts of a receiver are not. */
const ERROR = /^[a-z_]{1,64}$/;

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
      throw new ExchangeFailure("unavailable", `answered ${status}${errorIn(text)}`, { mayExist: false });
    },
  };
}

function errorIn(text: string): string {
  const answer = parseStrictText(text);
  const code = isObject(answer) ? answer["err"] : undefined;
  return typeof code === "string" && ERROR.test(code) ? ` ${code}` : "";
}
