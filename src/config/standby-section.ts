import type { z } from "zod";
import { absolutePath, section, serverCertificate, text } from "./fields.ts";

/** The broker of whose ledger this machine keeps a copy, and by what this machine is known there. */
export type StandbyConfig = {
  /** `host:port` of its broker endpoint. */
  readonly of: string;
  /** `host:port` of its attestation endpoint. */
  readonly attestation: string;
  /** Path of a file with CA certificates in PEM, or of a SPIFFE bundle. */
  readonly bundle: string;
  /** Paths of PEM files. */
  readonly certificate: string;
  readonly privateKey: string;
};

const ADDRESS = /^(?:\[[0-9a-f:.]{2,45}\]|[A-Za-z0-9.-]{1,253}):[0-9]{1,5}$/;

function address() {
  const error = "expected a host and a port, e.g. stint-1.example.org:8445";
  return text("a host and a port, e.g. stint-1.example.org:8445").refine((value) => ADDRESS.test(value), { error });
}

export const standbySection = section({
  of: address().describe("Broker endpoint of the primary (its broker.listen)."),
  attestation: address().describe("Attestation endpoint of the primary, with own_svid: true."),
  bundle: absolutePath().describe(
    "File by which the primary is known: CA certificates of the trust domain in PEM, or its SPIFFE bundle.",
  ),
  identity: serverCertificate().describe(
    "Certificate by which the primary knows this machine: evidence for its entry with the role standby.",
  ),
});

/** What the file says, in the words of the broker. */
export function standbyOf({ of, attestation, bundle, identity }: z.output<typeof standbySection>): StandbyConfig {
  return { of, attestation, bundle, certificate: identity.certificate, privateKey: identity.private_key };
}
