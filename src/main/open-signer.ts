import { readFile } from "node:fs/promises";
import type { KeysElsewhere } from "../adapters/signer-disk/keys-elsewhere.ts";
import { readPrivateFile } from "../adapters/signer-disk/private-file.ts";
import { openDiskSigner } from "../adapters/signer-disk/signer-disk.ts";
import { openPkcs11Signer } from "../adapters/signer-pkcs11/signer-pkcs11.ts";
import { type DiskUpstream, openDiskUpstream } from "../adapters/upstream-disk/upstream-disk.ts";
import type { Config } from "../config/config.ts";
import { BrokerError } from "../domain/errors.ts";
import { secondsOf } from "../domain/time.ts";
import type { Clock } from "../ports/clock.ts";
import type { Randomness } from "../ports/randomness.ts";
import type { Signer } from "../ports/signer.ts";
import type { Files } from "./renewed-files.ts";

/** Has the PIN where no file has it. The PIN is no setting: `stintd validate` shows what is set. */
const PIN_VARIABLE = "STINT_PKCS11_PIN";

export const UPSTREAM_SETTING = "upstream_authority.disk";

/**
 * Opens the signer that keeps the private keys.
 *
 * @param given.elsewhere - takes the keys of credentials; only keys on disk can be kept elsewhere.
 * @param closers - takes the function that ends the signer.
 * @throws BrokerError, UnsafeFileError
 */
export async function openSigner(
  config: Config,
  given: { readonly directory: string; readonly randomness: Randomness; readonly elsewhere?: KeysElsewhere },
  closers: (() => void)[],
): Promise<Signer> {
  const { keyManager, trustDomain } = config;
  if (keyManager.kind === "disk") return openDiskSigner({ ...given, trustDomain });
  const { module, tokenLabel, pinFile } = keyManager;
  const pin = await readPin(pinFile);
  const { signer, close } = openPkcs11Signer({
    module,
    tokenLabel,
    pin,
    trustDomain,
    randomness: given.randomness,
  });
  closers.push(close);
  return signer;
}

/** The files of the upstream CA, where there is one. Reading rejects with BrokerError or UnsafeFileError. */
export function upstreamFiles(
  { upstreamAuthority, trustDomain }: Pick<Config, "upstreamAuthority" | "trustDomain">,
  { clock, randomness }: { readonly clock: Pick<Clock, "now">; readonly randomness: Randomness },
): Files<DiskUpstream> | undefined {
  if (upstreamAuthority === undefined) return undefined;
  return {
    setting: UPSTREAM_SETTING,
    paths: Object.values(upstreamAuthority),
    async read() {
      const now = secondsOf(clock.now());
      return openDiskUpstream({ ...(await upstreamPems(upstreamAuthority)), trustDomain, randomness, now });
    },
    lifeOf: (upstream) => upstream,
  };
}

/** @throws BrokerError, UnsafeFileError */
async function upstreamPems(
  files: NonNullable<Config["upstreamAuthority"]>,
): Promise<{ readonly certificates: string; readonly privateKey: string | Buffer }> {
  if ("privateKey" in files) {
    return {
      certificates: await readFile(files.certificate, "utf8"),
      privateKey: await readPrivateFile(files.privateKey),
    };
  }
  const passphrase = String(await readPrivateFile(files.passphraseFile)).replace(/\r?\n$/, "");
  const file = await readPrivateFile(files.certificate);
  // Loaded where it is needed: few have such a file.
  const { readPkcs12Apart } = await import("../adapters/pkcs12-forge/read-pkcs12-apart.ts");
  try {
    const { certificates, privateKey } = await readPkcs12Apart(file, passphrase);
    return {
      certificates: certificates.map(String).join(""),
      privateKey: privateKey.export({ type: "pkcs8", format: "pem" }),
    };
  } catch (thrown) {
    throw new BrokerError("AUTHORITY_UNAVAILABLE", "the upstream authority can't be used", {
      detail: `its PKCS #12 file: ${(thrown as Error).message}`,
    });
  }
}

/**
 * The PIN of the token's user, from its file or the environment.
 *
 * @throws BrokerError, UnsafeFileError
 */
export async function readPin(pinFile: string | undefined): Promise<string> {
  // An editor ends a file with a line feed; no PIN has one.
  const pin =
    pinFile === undefined ? process.env[PIN_VARIABLE] : String(await readPrivateFile(pinFile)).replace(/\r?\n$/, "");
  if (pin !== undefined && pin !== "") return pin;
  const detail = `the PIN is missing: key_manager.pkcs11.pin_file, or the environment variable ${PIN_VARIABLE}`;
  throw new BrokerError("AUTHORITY_UNAVAILABLE", "the key manager can't be used", { detail });
}
