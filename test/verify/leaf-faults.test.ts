import { expect, test } from "vitest";
import { verifyCertificatePath } from "../../src/verify/certificate-path.ts";
import { VerificationError } from "../../src/verify/verification-error.ts";
import { x509AuthoritiesOf } from "../../src/verify/x509-svid.ts";
import {
  altNames,
  authority,
  basicConstraints,
  type Changes,
  CLIENT_AUTH,
  extendedKeyUsage,
  keyUsage,
  leafOf,
  NO_NAME,
  nameOf,
  SERVER_AUTH,
  USAGE,
  uri,
} from "./certificate-forge.ts";
import { NOW, SUBJECT } from "./token-forge.ts";

const root = authority();

function answerTo(changes: Changes): string {
  const anchors = x509AuthoritiesOf([root.der]);
  try {
    verifyCertificatePath([leafOf(root, changes).der], { anchors, now: NOW, keyPurposes: [SERVER_AUTH, CLIENT_AUTH] });
    return "accepted";
  } catch (thrown) {
    if (thrown instanceof VerificationError) return thrown.code;
    throw thrown;
  }
}

const san = altNames([uri(SUBJECT)], false);

test.for<{ is: string; changes: Changes; gets: string }>([
  { is: "is an authority", changes: { extensions: { bc: basicConstraints(true) } }, gets: "CERTIFICATE_INVALID" },
  {
    is: "may sign certificates",
    changes: { extensions: { ku: keyUsage(USAGE.signatureAndCertSign) } },
    gets: "CERTIFICATE_INVALID",
  },
  { is: "says nothing of either", changes: { extensions: { bc: undefined, ku: undefined } }, gets: "accepted" },
  {
    is: "has no subject, and a name that may be passed over",
    changes: { subject: NO_NAME, extensions: { san } },
    gets: "CERTIFICATE_INVALID",
  },
  {
    is: "has neither subject nor name",
    changes: { subject: NO_NAME, extensions: { san: undefined } },
    gets: "CERTIFICATE_INVALID",
  },
  { is: "has a subject, and such a name", changes: { subject: nameOf("w"), extensions: { san } }, gets: "accepted" },
  {
    is: "is for servers alone, where both are asked for",
    changes: { extensions: { eku: extendedKeyUsage(SERVER_AUTH) } },
    gets: "CERTIFICATE_INVALID",
  },
  { is: "is for anything", changes: { extensions: { eku: undefined } }, gets: "accepted" },
])("the end of a path that $is: $gets", ({ changes, gets }) => {
  expect(answerTo(changes)).toBe(gets);
});
