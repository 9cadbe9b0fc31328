import type { Config } from "../config/config.ts";
import type { Clock } from "../ports/clock.ts";
import type { PrincipalTokens } from "../ports/principal-tokens.ts";
import { withRoots } from "./issuer-roots.ts";
import type { Files, RenewedFiles } from "./renewed-files.ts";

/** Who judges the tokens of principals, and by which files; `undefined` where no issuer is configured. */
export function principalTokenFiles(
  { issuers }: Config["principals"],
  clock: Clock,
): Files<PrincipalTokens> | undefined {
  if (issuers.length === 0) return undefined;
  return {
    setting: "principals.issuers",
    paths: issuers.flatMap(({ roots }) => roots ?? []),
    read: async () => {
      const { createOidcPrincipals } = await import("../adapters/attestor-oidc/oidc-principals.ts");
      return createOidcPrincipals({ issuers: await Promise.all(issuers.map(withRoots)), clock });
    },
  };
}

/**
 * Who judges the tokens of principals, by the CAs of its files as they are.
 *
 * @throws BrokerError NOT_SERVING when a file can't be used; `detail` says what is wrong with the file
 */
export async function principalTokens(
  config: Config["principals"],
  { clock, files }: { readonly clock: Clock; readonly files: Pick<RenewedFiles, "follow"> },
): Promise<{ readonly principalTokens?: PrincipalTokens }> {
  const of = principalTokenFiles(config, clock);
  if (of === undefined) return {};
  const { current } = await files.follow(of);
  return {
    principalTokens: { nameIn: (token) => current().nameIn(token), verify: (token) => current().verify(token) },
  };
}
