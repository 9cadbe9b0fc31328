import { execFileSync } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** PEM texts, as `node:tls` takes them. */
export type Peer = { readonly cert: string; readonly key: string };

/** A certificate for one peer of a TLS connection, signed by its own key. */
export function makePeer(name: string): Peer {
  const directory = mkdtempSync(join(tmpdir(), "stint-tls-"));
  try {
    const [cert, key] = [join(directory, "tls.crt"), join(directory, "tls.key")];
    const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key];
    const subject = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1"];
    execFileSync("openssl", ["req", "-x509", "-days", "1", ...newKey, ...subject, "-out", cert], { stdio: "pipe" });
    return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** By which a token is bound to it. */
export function certificateHash({ cert }: Peer): string {
  return createHash("sha256").update(new X509Certificate(cert).raw).digest("base64url");
}
