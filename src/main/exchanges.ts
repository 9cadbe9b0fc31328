import { readPrivateFile } from "../adapters/signer-disk/private-file.ts";
import { keepSecret } from "../adapters/signer-disk/secret-file.ts";
import { openExchangeVault } from "../adapters/vault-disk/exchange-vault.ts";
import type { ExchangeConfig } from "../config/exchanges-section.ts";
import { BrokerError } from "../domain/errors.ts";
import type { ConfiguredTarget, ExchangeTargets } from "../exchange/exchange-targets.ts";
import type { Clock } from "../ports/clock.ts";
import type { ExchangeTarget } from "../ports/exchange-target.ts";
import type { ExchangeVault } from "../ports/exchange-vault.ts";
import type { Randomness } from "../ports/randomness.ts";
import { sentenceOf } from "./for-operator.ts";
import { PRIVATE_FILES } from "./open-vault.ts";
import { pemCertificates } from "./pem-certificates.ts";
import type { Files, Renewed, RenewedFiles } from "./renewed-files.ts";

const KEY_BYTES = 32;
/** What a token or a password may consist of: anything else could end the header that it stands in. */
const SECRET = /^[\x20-\x7e]{1,4096}$/;

/** Opens the place of what is needed to end secrets of other systems. @throws UnsafeFileError */
export async function openExchangeKeeping(
  directory: { readonly path: string; readonly exchanges: string },
  randomness: Randomness,
): Promise<ExchangeVault> {
  return openExchangeVault({
    directory: directory.exchanges,
    key: await keepSecret(directory.path, "exchanges.key", () => randomness.bytes(KEY_BYTES)),
    files: PRIVATE_FILES,
    randomness,
  });
}

/**
 * The other systems that the configuration names.
 *
 * @throws BrokerError or UnsafeFileError when a file of the configuration can't be used
 */
export async function exchangeTargets(
  exchanges: readonly ExchangeConfig[],
  ports: {
    readonly clock: Clock;
    readonly random: Randomness;
    readonly files: Pick<RenewedFiles, "follow">;
  },
): Promise<ExchangeTargets> {
  const targets = new Map<string, ConfiguredTarget>();
  for (const exchange of exchanges) {
    const { name, audience, agents, ttlSecondsMax } = exchange;
    const files = await ports.files.follow(exchangeFiles(exchange));
    const target = await targetOf(exchange, files, ports);
    targets.set(name, { ...target, name, audience, ttlSecondsMax, ...(agents === undefined ? {} : { agents }) });
  }
  return targets;
}

/** Its adapter, and the library that it stands on, is loaded for what the configuration names alone. */
async function targetOf(
  exchange: ExchangeConfig,
  files: Renewed<ExchangeFiles>,
  { clock, random: randomness }: { readonly clock: Clock; readonly random: Randomness },
): Promise<ExchangeTarget> {
  const ca = () => files.current().ca;
  const secret = () => files.current().secret ?? "";
  const place = { ca, clock };
  switch (exchange.kind) {
    case "openbao": {
      const { openBaoTarget } = await import("../adapters/exchange-http/openbao.ts");
      return openBaoTarget({ ...exchange, ...place, url: new URL(exchange.url), token: secret });
    }
    case "postgres": {
      const { postgresTarget } = await import("../adapters/exchange-postgres/postgres.ts");
      return postgresTarget({ ...exchange, password: secret, tls: exchange.isPlain ? "plain" : { ca }, randomness });
    }
    case "token-exchange":
    case "jwt-bearer": {
      const { tokenUrl, revocationUrl, clientSecretFile, ...rest } = exchange;
      const { oauthTarget } = await import("../adapters/exchange-http/oauth.ts");
      return oauthTarget({
        ...{ ...rest, ...place, tokenUrl: new URL(tokenUrl) },
        ...(revocationUrl === undefined ? {} : { revocationUrl: new URL(revocationUrl) }),
        ...(clientSecretFile === undefined ? {} : { clientSecret: secret }),
      });
    }
    case "aws-sts": {
      const { awsStsTarget } = await import("../adapters/exchange-http/aws-sts.ts");
      return awsStsTarget({ ...exchange, ...place, url: new URL(exchange.url) });
    }
    case "gcp-federation": {
      const [stsUrl, credentialsUrl] = [new URL(exchange.stsUrl), new URL(exchange.credentialsUrl)];
      const { gcpFederationTarget } = await import("../adapters/exchange-http/gcp-federation.ts");
      return gcpFederationTarget({ ...exchange, ...place, stsUrl, credentialsUrl });
    }
  }
}

type ExchangeFiles = { readonly ca: string | undefined; readonly secret: string | undefined };

/** The files by which another system is recognised, and the broker by it; they are read again when they change. */
export function exchangeFiles(exchange: ExchangeConfig): Files<ExchangeFiles> {
  const { name, ca } = exchange;
  const secretFile = secretFileOf(exchange);
  return {
    setting: `exchanges.${name}`,
    paths: [ca, secretFile].filter((path) => path !== undefined),
    read: async () => ({
      ca: ca === undefined ? undefined : await authoritiesIn(ca),
      secret: secretFile === undefined ? undefined : await secretIn(secretFile),
    }),
  };
}

function secretFileOf(exchange: ExchangeConfig): string | undefined {
  switch (exchange.kind) {
    case "openbao":
      return exchange.tokenFile;
    case "postgres":
      return exchange.passwordFile;
    case "token-exchange":
    case "jwt-bearer":
      return exchange.clientSecretFile;
    default:
      return undefined;
  }
}

async function authoritiesIn(path: string): Promise<string> {
  try {
    return (await pemCertificates(path)).join("");
  } catch (cause) {
    throw unusable(`${path}: ${sentenceOf(cause)}`, cause);
  }
}

/** @throws UnsafeFileError too, where the file is open to others. */
async function secretIn(path: string): Promise<string> {
  const secret = String(await readPrivateFile(path)).replace(/\r?\n$/, "");
  if (SECRET.test(secret)) return secret;
  throw unusable(`${path}: no secret on a line of its own`);
}

function unusable(detail: string, cause?: unknown): BrokerError {
  return new BrokerError("NOT_SERVING", "what another system is to be asked with can't be used", { detail, cause });
}
