import { readPrivateFile } from "../adapters/signer-disk/private-file.ts";
import type { SignInFacts } from "../api/console/sign-in-routes.ts";
import { attestSession } from "../attest/attest-session.ts";
import type { ConsoleSignInConfig } from "../config/console-section.ts";
import type { Clock } from "../ports/clock.ts";
import type { EvidenceAttestor } from "../ports/evidence-attestor.ts";
import type { Log } from "../ports/log.ts";
import type { SignIn } from "../ports/sign-in.ts";
import type { Core } from "./core.ts";
import { withRoots } from "./issuer-roots.ts";
import type { Files } from "./renewed-files.ts";

/** Signs operators in at the provider of the configuration. @throws BrokerError NOT_SERVING when a file can't be used */
export async function signInOf(
  config: ConsoleSignInConfig,
  { clock, entries, files }: Core,
  log: Log,
): Promise<SignInFacts> {
  const { current } = await files.follow(signInFiles(config, clock));
  return {
    provider: {
      begin: (redirectUri) => current().provider.begin(redirectUri),
      finish: (answer, attempt) => current().provider.finish(answer, attempt),
    },
    async evidenceOf(idToken) {
      const { selectors } = await current().tokens.attest(Buffer.from(idToken), NOBODY, new Uint8Array());
      return selectors;
    },
    checkOperator: (who) => void attestSession(who, entries),
    failed: ({ code, message, detail }) =>
      log.warning("a sign-in to the console failed", { reason: code, detail: detail ?? message }),
  };
}

type SignInParts = { readonly provider: SignIn; readonly tokens: EvidenceAttestor };

/** The files of the sign-in. The provider is asked for its keys again when one of them has changed. */
export function signInFiles(
  { issuer, clientId, clientSecretFile, roots }: ConsoleSignInConfig,
  clock: Clock,
): Files<SignInParts> {
  return {
    setting: "console.sign_in",
    paths: [clientSecretFile ?? [], roots ?? []].flat(),
    async read() {
      const { createSignIn } = await import("../adapters/sign-in-oidc/sign-in-oidc.ts");
      const { createOidcAttestor } = await import("../adapters/attestor-oidc/oidc-attestor.ts");
      const provider = await withRoots({ issuer, ...(roots !== undefined && { roots }) });
      const secret = clientSecretFile === undefined ? undefined : String(await readPrivateFile(clientSecretFile));
      const known = secret === undefined ? {} : { clientSecret: secret.replace(/\r?\n$/, "") };
      return {
        provider: createSignIn({ ...provider, clientId, ...known }, clock),
        tokens: createOidcAttestor({ issuers: [{ ...provider, audience: clientId, singleUse: false }], clock }),
      };
    },
  };
}

/** A token is no evidence that asks for more. */
const NOBODY = {
  challenge: () => Promise.reject(new Error("an ID token is not challenged")),
};
