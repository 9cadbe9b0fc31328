import { createFeedMessages } from "../api/grpc/feed-messages.ts";
import type { Authorities } from "../authority/authorities.ts";
import { type DenialsInForcePorts, keepDenialsInForce } from "../close/denials-in-force.ts";
import type { Config } from "../config/config.ts";
import { readCertificate } from "../domain/certificate.ts";
import type { CursorSeal } from "../ports/cursor-seal.ts";
import type { OpenedLedger } from "../ports/ledger.ts";

/** The deny-list in force in the bytes in which all are told it, and the feed's messages of it. */
export function toldDenials(
  { issuer }: Pick<Config, "issuer">,
  ports: Omit<DenialsInForcePorts<Uint8Array>, "formOf"> & {
    readonly ledger: OpenedLedger["ledger"];
    readonly authorities: Pick<Authorities, "byId">;
    readonly seal: CursorSeal;
  },
) {
  const { ledger, seal, authorities } = ports;
  const caNameOf = (authorityId: string) => {
    const certificate = authorities.byId(authorityId)?.certificate;
    return certificate === undefined ? undefined : readCertificate(certificate).subject;
  };
  const messages = createFeedMessages({ ledger, seal, names: { issuer, caNameOf } });
  return { messages, denyList: keepDenialsInForce({ ...ports, formOf: messages.formOf }) };
}
