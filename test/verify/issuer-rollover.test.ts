import { describe, expect, test } from "vitest";
import { verifyCertificatePath } from "../../src/verify/certificate-path.ts";
import { VerificationError } from "../../src/verify/verification-error.ts";
import { x509AuthoritiesOf } from "../../src/verify/x509-svid.ts";
import { authority, basicConstraints, ecPair, type Forged, leafOf, nameOf, SERVER_AUTH } from "./certificate-forge.ts";
import { NOW } from "./token-forge.ts";

/** The certificates of the path, or the code of the refusal. */
function answerTo(chain: readonly Forged[], anchors: readonly Forged[]): readonly Uint8Array[] | string {
  try {
    const options = { anchors: x509AuthoritiesOf(anchors.map(({ der }) => der)), now: NOW, keyPurposes: [SERVER_AUTH] };
    const path = verifyCertificatePath(
      chain.map(({ der }) => der),
      options,
    );
    return path.map(({ encoded }) => encoded);
  } catch (thrown) {
    if (thrown instanceof VerificationError) return thrown.code;
    throw thrown;
  }
}

const dersOf = (...path: readonly Forged[]) => path.map(({ der }) => der);

/** An authority that took a new key, which its old one vouches for under the same name: RFC 4210 section 4.4. */
function rolledOver(pathLength: number) {
  const subject = nameOf("rollover");
  const old = authority({ subject, extensions: { bc: basicConstraints(true, pathLength) } });
  const fresh = authority({ subject }, old);
  return { old, fresh };
}

describe("an authority that vouches for its own new key", () => {
  test("is followed from the new key to the old one that is trusted", () => {
    const { old, fresh } = rolledOver(3);
    const leaf = leafOf(fresh);
    expect(answerTo([leaf, fresh], [old])).toEqual(dersOf(leaf, fresh, old));
  });

  test("does not count against a path length, while another authority below it does", () => {
    const { old, fresh } = rolledOver(0);
    const leaf = leafOf(fresh);
    expect(answerTo([leaf, fresh], [old])).toEqual(dersOf(leaf, fresh, old));
    const below = authority({}, fresh);
    expect(answerTo([leafOf(below), below, fresh], [old])).toBe("CERTIFICATE_INVALID");
  });
});

test("an authority that two others vouch for is followed to whichever is trusted, in whatever order they were sent", () => {
  const pair = ecPair();
  const subject = nameOf("cross-certified");
  const [trusted, unknown] = [authority(), authority()];
  const byTrusted = authority({ pair, subject }, trusted);
  const byUnknown = authority({ pair, subject }, unknown);
  const leaf = leafOf(byTrusted);
  for (const sent of [
    [byTrusted, byUnknown],
    [byUnknown, byTrusted],
  ]) {
    expect(answerTo([leaf, ...sent], [trusted])).toEqual(dersOf(leaf, byTrusted, trusted));
  }
});
