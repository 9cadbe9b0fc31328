import { getCACertificates } from "node:tls";
import { LIMITS } from "../../domain/limits.ts";
import { secondsOf } from "../../domain/time.ts";
import type { BundleEndpoint } from "../../ports/bundle-endpoint.ts";
import type { Clock } from "../../ports/clock.ts";
import { endpointFailure } from "./endpoint-failure.ts";
import { ask } from "./question.ts";
import { openTls, type Recognition, recognised } from "./tls-connection.ts";

/**
 * Asks bundle endpoints over HTTPS, each time on a connection of its own.
 *
 * Redirects are followed when they are temporary and stay at the same scheme, host and port: the standard would let an
 * endpoint send the broker to any address, also to those that only the broker can reach.
 *
 * @param options.webAuthorities - gives the CA certificates, PEM, that count for `https_web` now beside those that Node.js has.
 * @see SPIFFE Federation section 5.2
 */
export function httpsBundleEndpoint(options: {
  readonly clock: Clock;
  readonly webAuthorities?: () => readonly string[];
}): BundleEndpoint {
  const { clock } = options;
  const webAuthorities = () =>
    options.webAuthorities === undefined ? undefined : [...getCACertificates("default"), ...options.webAuthorities()];

  return {
    async fetchBundle({ bundleEndpointUrl, profile }, { spiffeAuthorities, signal }) {
      const late = new AbortController();
      const cancel = clock.schedule(LIMITS.bundleFetchMs, () => {
        late.abort(endpointFailure(`did not answer within ${LIMITS.bundleFetchMs / 1_000} s`));
      });
      const over = AbortSignal.any([signal, late.signal]);
      const recognition = { profile, spiffeAuthorities, webAuthorities: webAuthorities(), now: secondsOf(clock.now()) };
      try {
        return await follow(new URL(bundleEndpointUrl), recognition, over);
      } catch (thrown) {
        // An error that comes after the connection was given up only follows from that.
        if (late.signal.aborted) throw late.signal.reason;
        throw signal.aborted ? endpointFailure("was not waited for") : thrown;
      } finally {
        cancel();
      }
    },
  };
}

async function follow(start: URL, recognition: Recognition, over: AbortSignal): Promise<string> {
  let url = start;
  for (let redirects = 0; redirects <= LIMITS.bundleRedirectsMax; redirects += 1) {
    const answer = await askAt(url, recognition, over);
    if (typeof answer === "string") return answer;
    url = answer;
  }
  throw endpointFailure(`redirects more than ${LIMITS.bundleRedirectsMax} times`);
}

async function askAt(url: URL, recognition: Recognition, over: AbortSignal): Promise<string | URL> {
  over.throwIfAborted();
  const socket = openTls(url, recognition);
  const giveUp = () => socket.destroy(new Error("given up"));
  over.addEventListener("abort", giveUp);
  // Whoever waits for something on the socket listens for errors too; an error while nobody waits changes nothing any
  // more.
  socket.on("error", () => undefined);
  try {
    await recognised(socket, recognition);
    return await ask(socket, url);
  } finally {
    over.removeEventListener("abort", giveUp);
    socket.destroy();
  }
}
