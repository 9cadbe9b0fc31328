import { httpsBundleEndpoint } from "../adapters/bundle-endpoint/bundle-endpoint.ts";
import type { Config } from "../config/config.ts";
import { BrokerError } from "../domain/errors.ts";
import { type Federation, type FederationPorts, keepFederation } from "../federation/federation.ts";
import type { Log } from "../ports/log.ts";
import { pemCertificates } from "./pem-certificates.ts";
import type { Files, RenewedFiles } from "./renewed-files.ts";

/**
 * Keeps the bundles of foreign trust domains. A fault of federation is told to the log and to operators, and keeps the
 * broker from nothing else: its own trust domain needs no other.
 */
export async function openFederation(
  { federation: { webRoots }, trustDomain }: Pick<Config, "federation" | "trustDomain">,
  ports: Omit<FederationPorts, "trustDomain" | "endpoint" | "leftOut" | "failed">,
  { log, files }: { readonly log: Log; readonly files: Pick<RenewedFiles, "follow"> },
): Promise<Federation> {
  const roots = webRoots === undefined ? undefined : await files.follow(webRootFiles(webRoots));
  const endpoint = httpsBundleEndpoint({
    clock: ports.clock,
    ...(roots === undefined ? {} : { webAuthorities: roots.current }),
  });
  const failed = (thrown: unknown) => {
    // Such a failure may come every minute, for as long as others need to mend their endpoint: no fault of this
    // broker's.
    if (isOfEndpoint(thrown))
      log.info("a bundle was not refreshed", { why: thrown.message, detail: thrown.detail ?? "" });
    else log.fault("a bundle was not refreshed", thrown);
  };
  const leftOut = (of: string, why: string) =>
    log.warning(`federation: an X.509 authority of ${of} is left out, none of its SVIDs would verify: ${why}`);
  try {
    return await keepFederation({ ...ports, trustDomain, endpoint, leftOut, failed });
  } catch (thrown) {
    log.fault("federation did not start: nobody of a foreign trust domain is believed", thrown);
    return notKept();
  }
}

function isOfEndpoint(thrown: unknown): thrown is BrokerError {
  return thrown instanceof BrokerError && thrown.code !== "LEDGER_UNAVAILABLE";
}

/**
 * The file of the CAs that count beside those of Node.js; read, it is their certificates, PEM. Without them, every
 * endpoint that needs them is refused, and `stint federation list` says so.
 */
export function webRootFiles(path: string): Files<readonly string[]> {
  return {
    setting: "federation.web_roots",
    paths: [path],
    read: () => pemCertificates(path),
    otherwise: [],
  };
}

function notKept(): Federation {
  const refusal = () => new BrokerError("NOT_SERVING", "federation did not start; the broker's log says why");
  const refuse = () => {
    throw refusal();
  };
  const reject = () => Promise.reject(refusal());
  return {
    of: () => undefined,
    onChange: () => () => undefined,
    list: refuse,
    find: refuse,
    create: reject,
    refresh: reject,
    remove: reject,
    stop: () => undefined,
  };
}
