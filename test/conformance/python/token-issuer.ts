import { jwtEs256Format } from "../../../src/adapters/jwt-es256/jwt-es256.ts";
import { systemRandomness } from "../../../src/adapters/system/system-randomness.ts";
import { keyRoutes } from "../../../src/api/http/key-routes.ts";
import { startHttp } from "../../../src/api/http/start-http.ts";
import type { TlsFiles } from "../../../src/api/http/tls-files.ts";
import type { Authority } from "../../../src/domain/authority.ts";
import type { GrantElement } from "../../../src/domain/grant.ts";
import { ID_RANDOM_BYTES, newJti } from "../../../src/domain/ids.ts";
import { addSeconds, microsOf, type UnixSeconds } from "../../../src/domain/time.ts";
import type { SvidFacts } from "../../../src/ports/svid-format.ts";
import { memorySigner } from "../../memory/memory-signer.ts";
import { recordedOf, STEP, TRUST_DOMAIN } from "../../samples/credentials.ts";

/** A signer and format as the broker has them, and the listener that publishes their keys. */
export type TokenIssuer = {
  readonly url: string;
  /** A JWT-SVID of now for one audience, with `search` granted there. */
  mint(audience: string, change?: Partial<SvidFacts>): Promise<string>;
  /** Signs with another key from now on; the one before stays published. */
  rotate(): Promise<void>;
  /** Signs with a key that nobody is told of. */
  mintByUnpublishedKey(audience: string): Promise<string>;
  close(): Promise<void>;
};

const TTL_SECONDS = 120;
const BACKDATE_SECONDS = 5;

/** @param tls - absent: plain HTTP on loopback. */
export async function startTokenIssuer(tls?: TlsFiles): Promise<TokenIssuer> {
  const randomness = systemRandomness();
  const signer = memorySigner({ trustDomain: TRUST_DOMAIN, randomness });
  const newKey = (family: "jwt-svid" | "x509-svid"): Promise<Authority> => {
    const now = nowSeconds();
    return signer.create(family, { notBefore: now, expiresAt: addSeconds(now, 86_400) });
  };
  let active = await newKey("jwt-svid");
  const authorities = [active, await newKey("x509-svid")];
  const http = await startHttp(
    { host: "127.0.0.1", port: 0, hosts: [], ...(tls !== undefined && { tls }) },
    (url) => keyRoutes({ issuer: url, authorities: () => authorities, bundleSequence: () => authorities.length }),
    (thrown) => {
      throw thrown;
    },
  );
  const format = jwtEs256Format(http.url);

  async function mintBy(authority: Authority, audience: string, change: Partial<SvidFacts>): Promise<string> {
    const now = nowSeconds();
    const toBeSigned = format.toBeSigned({
      spiffeId: STEP.spiffeId,
      step: STEP,
      notBefore: addSeconds(now, -BACKDATE_SECONDS),
      expiresAt: addSeconds(now, TTL_SECONDS),
      jti: newJti(microsOf(now), randomness.bytes(ID_RANDOM_BYTES)),
      audiences: [audience],
      grant: [searchAt(audience)],
      authority,
      ...change,
    });
    const signature = await signer.signSvid(recordedOf("jwt-svid", authority, toBeSigned));
    return Buffer.from(format.assemble(toBeSigned, signature)).toString("latin1");
  }

  return {
    url: http.url,
    mint: (audience, change = {}) => mintBy(active, audience, change),
    async rotate() {
      active = await newKey("jwt-svid");
      authorities.push(active);
    },
    mintByUnpublishedKey: async (audience) => mintBy(await newKey("jwt-svid"), audience, {}),
    close: http.close,
  };
}

/** Permission to search internal data at one resource. */
export function searchAt(location: string): GrantElement {
  return { type: "mcp_tool", locations: [location], identifier: "search", actions: ["read"], datatypes: ["internal"] };
}

function nowSeconds(): UnixSeconds {
  return Math.floor(Date.now() / 1_000) as UnixSeconds;
}
