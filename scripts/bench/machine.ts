import { execFileSync } from "node:child_process";
import { cpus } from "node:os";
import process from "node:process";

/** What it is that was measured on. */
export function machineName(): string {
  return `${cpus()[0]?.model ?? "?"} × ${cpus().length}, Node ${process.version}`;
}

/** What one core signs by ECDSA with P-256, says openssl: the unit that rates are given in beside the second. */
export function signaturesPerSecond(): number {
  const text = execFileSync("openssl", ["speed", "-seconds", "3", "ecdsap256"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const rate = /256 bits ecdsa.*?([\d.]+)\s+([\d.]+)\s*$/m.exec(text)?.[1];
  if (rate === undefined) throw new Error("openssl printed no rate");
  return Number(rate);
}
