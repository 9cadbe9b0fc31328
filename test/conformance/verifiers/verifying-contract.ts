import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Confirmation } from "../../../src/domain/confirmation.ts";
import { addSeconds, type UnixSeconds } from "../../../src/domain/time.ts";
import { startTokenIssuer, type TokenIssuer } from "../python/token-issuer.ts";
import { rowOf } from "./guide-table.ts";
import type { Mode, StartVerifier, StockVerifier } from "./stock-verifier.ts";

/** A server's framework may take half a minute to be up on a machine that has other things to do. */
export const START_MS_MAX = 180_000;
const ELSEWHERE = "https://files.example.org/mcp";
/** A slow machine moves a token further past its end, so what is to be taken is far from every bound, and what is to be refused need not be. */
const EXPIRED_SECONDS = { little: 2, half: 30, long: 65 };

/** A library, in a program that believes an issuer of the test. */
export type VerifyingScene = StockVerifier & { readonly issuer: TokenIssuer };

export async function startVerifying(start: StartVerifier, mode: Mode): Promise<VerifyingScene> {
  const issuer = await startTokenIssuer();
  const verifier = await start(mode, issuer.url);
  return {
    ...verifier,
    issuer,
    async [Symbol.asyncDispose]() {
      await verifier[Symbol.asyncDispose]();
      await issuer.close();
    },
  };
}

const now = () => Math.floor(Date.now() / 1_000) as UnixSeconds;
const expired = (seconds: number) => ({
  notBefore: addSeconds(now(), -205),
  expiresAt: addSeconds(now(), -seconds),
});
const bound = { confirmation: { jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" } };
/** RFC 7800 section 3.4. The broker binds to no key by its id, and whoever refuses what is bound does not ask how. */
const boundByKid = { confirmation: { kid: "k1" } as unknown as Confirmation };

/**
 * What a page promises of a library that is used as it says, and what the table says of one that is not.
 *
 * @param can.canRefuseBound - whether there is a way to say that a token with `cnf` is to be refused; its page says so if not.
 */
export function verifyingContract(library: string, start: StartVerifier, can = { canRefuseBound: true }): void {
  describe("used as its page says", () => {
    let scene: VerifyingScene;
    beforeAll(async () => {
      scene = await startVerifying(start, "guide");
    }, START_MS_MAX);
    afterAll(() => scene?.[Symbol.asyncDispose]());

    test("takes a step's token for this server", async () => {
      const { audience, judge, issuer } = scene;
      expect(await judge(await issuer.mint(audience))).toBe("taken");
    });

    test("refuses what is for another server, expired, bound to a key if it can, or another issuer's", async () => {
      const { audience, judge, issuer } = scene;
      const other = await startTokenIssuer();
      onTestFinished(other.close);
      const tokens = {
        "another server's": await issuer.mint(ELSEWHERE),
        // Past the leeway of 5 s that pages set.
        expired: await issuer.mint(audience, expired(10)),
        bound: await issuer.mint(audience, bound),
        "bound in another way": await issuer.mint(audience, boundByKid),
        "another issuer's": await other.mint(audience),
      };
      const judged: Record<string, string> = {};
      for (const [what, token] of Object.entries(tokens)) judged[what] = await judge(token);
      const bearer = can.canRefuseBound ? "refused" : "taken";
      expect(judged).toEqual({
        "another server's": "refused",
        expired: "refused",
        bound: bearer,
        "bound in another way": bearer,
        "another issuer's": "refused",
      });
    });

    test("forgives a clock that is 3 s behind the broker's", async () => {
      const { audience, judge, issuer } = scene;
      const ahead = addSeconds(now(), 3);
      const token = await issuer.mint(audience, { notBefore: addSeconds(ahead, -5) });
      expect(await judge(token)).toBe("taken");
    });
  });

  test(
    "left to itself, takes what is expired, bound, or by a new key as the table says",
    async () => {
      await using scene = await startVerifying(start, "defaults");
      const { audience, judge, issuer } = scene;
      expect(await judge(await issuer.mint(audience))).toBe("taken");
      const row = rowOf(library);
      expect(["0 s", "60 s"]).toContain(row.afterExpiry);
      const judgeExpired = async (seconds: number) => judge(await issuer.mint(audience, expired(seconds)));
      if (row.afterExpiry === "0 s") expect(await judgeExpired(EXPIRED_SECONDS.little)).toBe("refused");
      else expect(await judgeExpired(EXPIRED_SECONDS.half)).toBe("taken");
      expect(await judgeExpired(EXPIRED_SECONDS.long)).toBe("refused");
      expect(await judge(await issuer.mint(audience, bound))).toBe(row.bound);
      expect(["at once", "30 s", "yours"]).toContain(row.newKey);
      await issuer.rotate();
      const byNewKey = await judge(await issuer.mint(audience));
      if (row.newKey !== "yours") expect(byNewKey).toBe(row.newKey === "at once" ? "taken" : "refused");
    },
    START_MS_MAX,
  );

  test(
    "told no audience, does with another server's token what the table says",
    async () => {
      await using scene = await startVerifying(start, "no audience");
      expect(await scene.judge(await scene.issuer.mint(ELSEWHERE))).toBe(rowOf(library).elsewhere);
    },
    START_MS_MAX,
  );
}
