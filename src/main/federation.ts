import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { httpsBundleEndpoint } from "../adapters/bundle-endpoint/bundle-endpoint.ts";
import type { Config } from "../config/config.ts";
import { BrokerError } from "../domain/errors.ts";
import { certificatesInPem } from "../domain/pem.ts";
import { type Federation, type FederationPorts, keepFederation } from "../federation/federation.ts";
import type { Log } from "../ports/log.ts";

/**
 * Keeps the bundles of foreign trust domains. A fault of federation is told to the log and to operators, and keeps the
 * broker from nothing else: its own trust domain needs no other.
 */
export async function openFederation(
  { federation: { webRoots }, trustDomain }: Pick<Config, "federation" | "trustDomain">,
  ports: Omit<FederationPorts, "trustDomain" | "endpoint" | "leftOut" | "failed">,
  log: Log,
): Promise<Federation> {
  const webAuthorities = webRoots === undefined ? [] : await readWebRoots(webRoots, log);
  const endpoint = httpsBundleEndpoint({ clock: ports.clock, webAuthorities });
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

/** Without web roots, every endpoint that needs them is refused, and `stint federation list` says so. */
async function readWebRoots(path: string, log: Log): Promise<readonly string[]> {
  try {
    return await webRootsIn(path);
  } catch (thrown) {
    log.fault(`federation.web_roots: ${path} can't be used; only the authorities of Node.js count`, thrown);
    return [];
  }
}

/** The certificates of a file, PEM. Rejects when the file can't be read or has none. */
export async function webRootsIn(path: string): Promise<readonly string[]> {
  const found = certificatesInPem(await readFile(path, "utf8"));
  if (found.length === 0) throw new Error("no certificate in PEM");
  return found.map((der) => new X509Certificate(der).toString());
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
