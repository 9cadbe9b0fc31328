import type { z } from "zod";
import { invalidField } from "../domain/errors.ts";
import { parseIssuerUrl } from "../domain/selector.ts";
import { absolutePath, accepted, duration, LOOPBACK_NAMES, section, text } from "./fields.ts";

const SESSION_SECONDS_MIN = 60;
const SESSION_SECONDS_MAX = 43_200;
const ORIGIN = "an https URL without a path, e.g. https://stint.example.org, or http on loopback";

/** The operators' web page. */
export type ConsoleConfig = {
  /** The origin at which browsers reach it; absent: that of the listener. */
  readonly url?: string;
  readonly sessionSeconds: number;
  /** Absent: by links of `stint console open` alone. */
  readonly signIn?: ConsoleSignInConfig;
};

/** The OpenID provider at which operators sign in. */
export type ConsoleSignInConfig = {
  readonly issuer: string;
  readonly clientId: string;
  /** Path of a file of mode 0600; absent: a public client. */
  readonly clientSecretFile?: string;
  /** Path of a PEM file; absent: the public CAs. */
  readonly roots?: string;
};

/** Who may sign in to the console otherwise than by `stint console open`. */
const signInSection = section({
  issuer: accepted(parseIssuerUrl, "an https URL without query, exactly as in the tokens' iss").describe(
    "OpenID provider at which operators sign in. Entries of operators name it and them: oidc:iss, oidc:sub.",
  ),
  client_id: text("a client's id")
    .min(1, "expected a client's id")
    .describe("The console's client id at the provider, which is also the audience of the ID tokens."),
  client_secret_file: absolutePath()
    .optional()
    .describe("File of mode 0600 with the client's secret. Absent: a public client, with PKCE alone."),
  roots: absolutePath()
    .optional()
    .describe("PEM file of the CAs that vouch for the provider's host. Absent: the public ones."),
});

export const consoleSection = section({
  url: accepted(parseOrigin, ORIGIN)
    .optional()
    .describe("Where browsers reach it, if not at the address of operations.listen: behind a proxy, or by a name."),
  session: duration()
    .refine((seconds) => seconds >= SESSION_SECONDS_MIN && seconds <= SESSION_SECONDS_MAX, {
      error: "expected 1m to 12h",
    })
    .prefault("1h")
    .describe("How long an operator stays signed in. A session ends earlier where its operator's entry does."),
  sign_in: signInSection.optional().describe("Sign-in by OpenID Connect. Absent: by `stint console open` alone."),
});

/** @throws BrokerError INVALID_FIELD */
function parseOrigin(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isSafe = url?.protocol === "https:" || (url?.protocol === "http:" && LOOPBACK_NAMES.includes(url.hostname));
  if (url === undefined || url.origin !== text || !isSafe) throw invalidField("console.url", ORIGIN);
  return text;
}

/** The setting in the words of the daemon. */
export function consoleOf({ url, session, sign_in: signIn }: z.infer<typeof consoleSection>): ConsoleConfig {
  return {
    ...(url !== undefined && { url }),
    sessionSeconds: session,
    ...(signIn !== undefined && { signIn: signInOf(signIn) }),
  };
}

function signInOf({
  issuer,
  client_id: clientId,
  client_secret_file: clientSecretFile,
  roots,
}: z.infer<typeof signInSection>): ConsoleSignInConfig {
  return {
    ...{ issuer, clientId },
    ...(clientSecretFile !== undefined && { clientSecretFile }),
    ...(roots !== undefined && { roots }),
  };
}
