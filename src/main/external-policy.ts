import type { OpaCredentials } from "../adapters/policy-opa/opa-connections.ts";
import { createOpaPolicy } from "../adapters/policy-opa/opa-policy.ts";
import { readPrivateFile } from "../adapters/signer-disk/private-file.ts";
import { readTlsFiles, type TlsFiles } from "../api/http/tls-files.ts";
import type { ExternalPolicyConfig, OpaConfig } from "../config/external-policy-section.ts";
import { externalAlone, withExternal } from "../decide/with-external.ts";
import { BrokerError } from "../domain/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { PolicyEngine } from "../ports/policy-engine.ts";
import type { Tracing } from "../ports/tracing.ts";
import { lifeOfFirst } from "./certificate-life.ts";
import { sentenceOf } from "./for-operator.ts";
import { pemCertificates } from "./pem-certificates.ts";
import type { Files, RenewedFiles } from "./renewed-files.ts";

const SETTING = "policies.external.opa";
/** What a bearer token may consist of: anything else could end the header that it stands in. RFC 6750 section 2.1. */
const TOKEN = /^[A-Za-z0-9._~+/-]{1,4096}={0,2}$/;

/**
 * The engine that is asked for decisions where one outside of the broker is configured: that one beside the broker's
 * own, or in its stead.
 *
 * @throws BrokerError or UnsafeFileError when a file of the configuration can't be used; the message or `detail` says
 *   what is wrong with it
 */
export async function engineWithExternal(
  { opa }: ExternalPolicyConfig,
  own: PolicyEngine,
  ports: {
    readonly clock: Clock;
    readonly log: Log;
    readonly files: Pick<RenewedFiles, "follow">;
    readonly tracing?: Pick<Tracing, "traceparent">;
  },
): Promise<PolicyEngine> {
  const { url, path, send, timeoutSeconds } = opa;
  const credentials = await ports.files.follow(opaFiles(opa));
  const external = createOpaPolicy({
    ...{ url, path, send, timeoutMs: timeoutSeconds * 1_000, credentials: credentials.current },
    ...{ clock: ports.clock, log: ports.log },
    ...(ports.tracing !== undefined && { traceparent: ports.tracing.traceparent }),
  });
  if (!opa.insteadOfCedar) return withExternal(own, external);
  await own.close();
  return externalAlone(external);
}

/** The files by which OPA and the broker recognise each other; they are read again when they change. */
export function opaFiles({ tls: { ca, client }, tokenFile }: OpaConfig): Files<OpaCredentials> {
  return {
    setting: SETTING,
    paths: [ca, client?.certificate, client?.privateKey, tokenFile].filter((path) => path !== undefined),
    read: async () => ({
      ...(ca === undefined ? {} : { ca: await authoritiesIn(ca) }),
      ...(client === undefined ? {} : { client: await clientIn(client) }),
      ...(tokenFile === undefined ? {} : { token: await tokenIn(tokenFile) }),
    }),
    ...(client !== undefined && {
      lifeOf: ({ client }: OpaCredentials) => lifeOfFirst(client?.certificate ?? ""),
    }),
  };
}

async function authoritiesIn(path: string): Promise<string> {
  try {
    return (await pemCertificates(path)).join("");
  } catch (cause) {
    throw unusable(`${path}: ${sentenceOf(cause)}`, cause);
  }
}

async function clientIn(files: TlsFiles): Promise<NonNullable<OpaCredentials["client"]>> {
  try {
    const { cert, key } = await readTlsFiles(files);
    return { certificate: String(cert), privateKey: String(key) };
  } catch (thrown) {
    throw thrown instanceof BrokerError ? unusable(thrown.detail ?? "", thrown) : thrown;
  }
}

/** @throws UnsafeFileError too, where the file is open to others. */
async function tokenIn(path: string): Promise<string> {
  const token = String(await readPrivateFile(path)).replace(/\r?\n$/, "");
  if (TOKEN.test(token)) return token;
  throw unusable(`${path}: no bearer token on a line of its own`);
}

function unusable(detail: string, cause?: unknown): BrokerError {
  return new BrokerError("NOT_SERVING", "what OPA is to be asked with can't be used", { detail, cause });
}
