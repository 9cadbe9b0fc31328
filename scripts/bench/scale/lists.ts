import { randomBytes, randomInt } from "node:crypto";
import { systemDeflate } from "../../../src/adapters/system/system-deflate.ts";
import { encodeCrlEntry } from "../../../src/domain/crl.ts";
import { newSerialNumber, SERIAL_NUMBER_RANDOM_BYTES } from "../../../src/domain/ids.ts";
import { invalidate, newStatusBits, STATUS_LIST_TOKENS, statusListClaims } from "../../../src/domain/status-list.ts";
import { secondsOf } from "../../../src/domain/time.ts";
import { START } from "./samples.ts";

const ISSUER = "https://stint.example.org:8443";

/** How long a status list is of which half is revoked, header and signature left out, and what an X.509-SVID takes of a CRL: bytes. */
export async function measureLists() {
  const bits = newStatusBits();
  for (let index = 0; index < STATUS_LIST_TOKENS; index += 1) if (randomInt(2) === 1) invalidate(bits, index);
  const compressed = await systemDeflate()(bits);
  const claims = statusListClaims({ issuer: ISSUER, list: "b1yQxW0mVd4k", issuedAt: secondsOf(START), compressed });
  const serialNumber = newSerialNumber(randomBytes(SERIAL_NUMBER_RANDOM_BYTES));
  return {
    statusListBytes: Buffer.from(JSON.stringify(claims)).toString("base64url").length,
    crlEntryBytes: encodeCrlEntry({ serialNumber, revokedAt: secondsOf(START), reason: "cessationOfOperation" }).length,
  };
}
