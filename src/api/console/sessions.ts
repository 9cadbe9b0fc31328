import type { SignedIn } from "../../attest/attest-session.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Randomness } from "../../ports/randomness.ts";
import type { SignInAttempt } from "../../ports/sign-in.ts";
import { createKeptSecrets, type KeptSecrets } from "./kept-secrets.ts";

/** Who is signed in, and who is about to be. In memory alone: who signed in before a broker started signs in again. */
export type Sessions = {
  /** By the secret in a browser's cookie. */
  readonly open: KeptSecrets<SignedIn>;
  /** By the code of a link, which is good once. */
  readonly links: KeptSecrets<SignedIn>;
  /** Sign-ins at the provider, by the secret of the browser that began; each counts once. */
  readonly attempts: KeptSecrets<SignInAttempt>;
};

const LINK_SECONDS = 60;
/** To sign in at the provider, with whatever the provider wants to see. */
const ATTEMPT_SECONDS = 600;

export function createSessions(
  ports: { readonly clock: Pick<Clock, "now">; readonly random: Randomness },
  sessionSeconds: number,
): Sessions {
  return {
    open: createKeptSecrets({ ...ports, seconds: sessionSeconds }),
    links: createKeptSecrets({ ...ports, seconds: LINK_SECONDS }),
    attempts: createKeptSecrets({ ...ports, seconds: ATTEMPT_SECONDS }),
  };
}
