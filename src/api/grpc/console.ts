import type { SignedIn } from "../../attest/attest-session.ts";
import { checkMayLook } from "../../decide/step-access.ts";
import { BrokerError } from "../../domain/errors.ts";
import type { UnixSeconds } from "../../domain/time.ts";
import type { Console } from "../../gen/stint/v1/console_pb.js";
import type { HandlersOf } from "../../wire/service-definition.ts";
import { timestampOfSeconds } from "../../wire/timestamps.ts";
import { type Endpoint, unary } from "./call.ts";

export type ConsolePorts = {
  /** Makes a link that signs its opener in as a caller of now. Absent: there is no console. */
  readonly link: ((who: SignedIn) => { readonly url: string; readonly expiresAt: UnixSeconds }) | undefined;
};

export function consoleHandlers(endpoint: Endpoint, { link }: ConsolePorts): HandlersOf<typeof Console> {
  return {
    open: unary(endpoint, "Console.Open", async (_request, caller) => {
      checkMayLook(caller);
      if (link === undefined) throw new BrokerError("NOT_SERVING", "no console is configured");
      const { url, expiresAt } = link({ selectors: caller.selectors, uid: caller.uid });
      return { url, expiresAt: timestampOfSeconds(expiresAt) };
    }),
  };
}
