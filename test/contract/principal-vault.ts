import { describe, expect, test } from "vitest";
import type { PrincipalVault } from "../../src/ports/principal-vault.ts";

/** A vault, and the same again as after a restart. */
export type VaultGround = { readonly vault: PrincipalVault; again(): PrincipalVault };

const ADA = { iss: "https://id.example.org", sub: "ada", claims: { department: "engines", amr: ["pwd", "otp"] } };

/** What every vault promises, whatever keeps its keys. */
export function principalVaultContract(what: string, open: () => Promise<VaultGround>): void {
  describe(what, () => {
    test("gives back what was sealed, also after a restart", async () => {
      const { vault, again } = await open();
      const { principalId, sealed, ...known } = await vault.seal(ADA);
      expect(known).toEqual(ADA);
      expect(principalId).toBe(vault.idOf(ADA));
      expect(await vault.open({ principalId, sealed })).toEqual({ principalId, ...ADA });
      expect(await again().open({ principalId, sealed })).toEqual({ principalId, ...ADA });
    });

    test("names one person always the same, and two never", async () => {
      const { vault, again } = await open();
      const names = [
        { iss: "https://id.example.org", sub: "ada" },
        { iss: "https://id.example.org", sub: "Ada" },
        { iss: "https://id.example.org/", sub: "ada" },
        { iss: "https://id.example.or", sub: "gada" },
        { iss: 'https://id.example.org","ada', sub: "" },
      ];
      const ids = names.map((name) => vault.idOf(name));
      expect(new Set(ids).size).toBe(names.length);
      expect(names.map((name) => again().idOf(name))).toEqual(ids);
      for (const id of ids) expect(id).toMatch(/^[0-9a-f]{64}$/);
    });

    test("names nobody as another broker names them, and another's digest can't be made from the name alone", async () => {
      const [one, other] = [await open(), await open()];
      expect(one.vault.idOf(ADA)).not.toBe(other.vault.idOf(ADA));
    });

    test("seals the same twice in two ways, so that nobody sees that two steps say the same", async () => {
      const { vault } = await open();
      const [first, second] = [await vault.seal(ADA), await vault.seal(ADA)];
      expect(first.sealed).not.toBe(second.sealed);
      expect(first.sealed).not.toContain("ada");
      expect(Buffer.from(first.sealed.split(".")[1] ?? "", "base64url").toString("latin1")).not.toContain("ada");
    });

    test("seals at once for one principal with one key: what each sealed is read after a restart", async () => {
      const { vault, again } = await open();
      const all = await Promise.all(Array.from({ length: 8 }, () => vault.seal(ADA)));
      const later = again();
      for (const { principalId, sealed } of all) {
        expect(await later.open({ principalId, sealed })).toEqual({ principalId, ...ADA });
      }
    });

    test("reads nothing of a principal once they are erased, at once and after a restart", async () => {
      const { vault, again } = await open();
      const ada = await vault.seal(ADA);
      const bob = await vault.seal({ ...ADA, sub: "bob" });
      await vault.erase(ada.principalId);
      await vault.erase(ada.principalId);
      expect(await vault.open(ada)).toBeUndefined();
      expect(await again().open(ada)).toBeUndefined();
      expect(await vault.open(bob)).toMatchObject({ sub: "bob" });
    });

    test("reads nothing of what was sealed before an erasure, when the principal has come back since", async () => {
      const { vault } = await open();
      const before = await vault.seal(ADA);
      await vault.erase(before.principalId);
      const after = await vault.seal(ADA);
      expect(after.principalId).toBe(before.principalId);
      expect(await vault.open(before)).toBeUndefined();
      expect(await vault.open(after)).toMatchObject({ sub: "ada" });
    });

    test("keeps the key of one who has come back, when the erasure is made sure of again", async () => {
      const { vault } = await open();
      const before = await vault.seal(ADA);
      await vault.erase(before.principalId);
      const after = await vault.seal(ADA);
      await vault.erase(before.principalId, after.sealed);
      expect(await vault.open(after)).toMatchObject({ sub: "ada" });
      await vault.erase(before.principalId, before.sealed);
      expect(await vault.open(after)).toBeUndefined();
    });

    test("seals nothing with a key that goes while its erasure is recorded, and keeps it where that fails", async () => {
      const { vault } = await open();
      const before = await vault.seal(ADA);
      const failing = vault.eraseOnce(before.principalId, () => Promise.reject(new Error("the disk is full")));
      await expect(failing).rejects.toThrow("the disk is full");
      await vault.eraseOnce(before.principalId, async () => false);
      expect(await vault.open(before)).toMatchObject({ sub: "ada" });

      const recorded = Promise.withResolvers<boolean>();
      const erasing = vault.eraseOnce(before.principalId, () => recorded.promise);
      const meanwhile = vault.seal(ADA);
      // Others are sealed meanwhile: this one would have been, too.
      for (let times = 3; times > 0; times -= 1) await vault.seal({ ...ADA, sub: "bob" });
      recorded.resolve(true);
      await erasing;
      expect(await vault.open(before)).toBeUndefined();
      expect(await vault.open(await meanwhile)).toMatchObject({ sub: "ada" });
    });

    test("takes what was sealed of one for nobody else's", async () => {
      const { vault, again } = await open();
      const ada = await vault.seal(ADA);
      const bob = await vault.seal({ ...ADA, sub: "bob" });
      const [keyId] = bob.sealed.split(".");
      const swapped = { principalId: bob.principalId, sealed: `${keyId}.${ada.sealed.split(".")[1]}` };
      await expect(again().open(swapped)).rejects.toThrow();
      expect(await again().open({ principalId: bob.principalId, sealed: ada.sealed })).toBeUndefined();
    });

    test("says so when what was sealed has been changed", async () => {
      const { vault, again } = await open();
      const { principalId, sealed } = await vault.seal(ADA);
      const changed = `${sealed.slice(0, -4)}${sealed.endsWith("AAAA") ? "BBBB" : "AAAA"}`;
      await expect(again().open({ principalId, sealed: changed })).rejects.toThrow();
    });
  });
}
