import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What a signature is for, so that one of the same key for anything else is none of a release. */
export const NAMESPACE = "stint-release";

const SUMS = "SHA256SUMS";

/**
 * Writes the digest of each file of a folder, as `sha256sum` does and checks.
 *
 * @returns the lines.
 */
export function writeSums(folder: string): readonly string[] {
  const lines = readdirSync(folder)
    .toSorted()
    .map(
      (name) =>
        `${createHash("sha256")
          .update(readFileSync(join(folder, name)))
          .digest("hex")}  ${name}`,
    );
  writeFileSync(join(folder, SUMS), `${lines.join("\n")}\n`);
  return lines;
}

/**
 * Signs the digests: `SHA256SUMS.sig`.
 *
 * @param key - path of an OpenSSH private key, or of the public half of one that an agent holds.
 * @throws Error where ssh-keygen refuses it
 * @see ssh-keygen(1), -Y sign
 */
export function sign(folder: string, key: string): void {
  execFileSync("ssh-keygen", ["-Y", "sign", "-q", "-n", NAMESPACE, "-f", key, join(folder, SUMS)], {
    stdio: "inherit",
  });
}
