import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A CA that openssl made, by its files. */
export type OpensslAuthority = {
  readonly certificatePath: string;
  readonly keyPath: string;
  /** PEM. */
  readonly certificate: string;
  readonly key: string;
};

type Facts = {
  readonly name: string;
  /** As `openssl genpkey` takes it. */
  readonly key?: readonly string[];
  readonly days?: number;
  readonly extensions?: readonly string[];
  /** Absent: it is a root. */
  readonly issuer?: OpensslAuthority;
};

export const P256 = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
export const P384 = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
export const RSA = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
export const CA_EXTENSIONS = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"];

/** A directory in which openssl makes CAs, which goes when it is disposed of. */
export function opensslAuthorities() {
  const directory = mkdtempSync(join(tmpdir(), "stint-upstream-"));

  function openssl(...args: readonly string[]): string {
    return execFileSync("openssl", args, { cwd: directory, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  }

  return {
    directory,
    openssl,
    make({ name, key = P256, days = 30, extensions = CA_EXTENSIONS, issuer }: Facts): OpensslAuthority {
      const [keyPath, certificatePath, configPath] = ["key", "pem", "cnf"].map((end) =>
        join(directory, `${name}.${end}`),
      ) as [string, string, string];
      openssl("genpkey", ...key, "-out", keyPath);
      const lines = ["subjectKeyIdentifier=hash", "authorityKeyIdentifier=keyid:always", ...extensions];
      writeFileSync(configPath, `[req]\ndistinguished_name=dn\n[dn]\n[ext]\n${lines.join("\n")}\n`);
      const request = ["req", "-new", "-config", configPath, "-subj", `/CN=${name}`, "-key", keyPath];
      if (issuer === undefined) {
        openssl(...request, "-x509", "-extensions", "ext", "-days", String(days), "-out", certificatePath);
      } else {
        const requestPath = join(directory, `${name}.csr`);
        openssl(...request, "-out", requestPath);
        const signing = [
          "-CA",
          issuer.certificatePath,
          "-CAkey",
          issuer.keyPath,
          "-CAcreateserial",
          "-days",
          String(days),
        ];
        openssl(
          "x509",
          "-req",
          "-in",
          requestPath,
          ...signing,
          "-extfile",
          configPath,
          "-extensions",
          "ext",
          "-out",
          certificatePath,
        );
      }
      const [certificate, keyPem] = [certificatePath, keyPath].map((path) => readFileSync(path, "utf8")) as [
        string,
        string,
      ];
      return { certificatePath, keyPath, certificate, key: keyPem };
    },
    /** The path of a new file. */
    write(name: string, content: string): string {
      const path = join(directory, name);
      writeFileSync(path, content, { mode: 0o600 });
      return path;
    },
    [Symbol.dispose]() {
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
