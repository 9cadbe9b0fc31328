import type { z } from "zod";
import { BrokerError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { type NoteKey, parseNoteKey } from "../domain/signed-note.ts";
import { parseSegment, type Segment } from "../domain/spiffe-id.ts";
import { absolutePath, accepted, LOOPBACK_NAMES, list, section, text, whole, yesNo } from "./fields.ts";
import { checkPostgresPlace, postgresPlace } from "./postgres-place.ts";

const MEBIBYTE = 1024 * 1024;
/** Room for one close of a very large run; a smaller reserve would not hold a single transaction's journal. */
const RESERVE_BYTES_MIN = MEBIBYTE;
const BYTES_MAX = 1024 * 1024 * MEBIBYTE;

const postgresSection = section({
  replica: accepted((name) => parseSegment(name, "name"), "a name of letters, digits, '.', '_' and '-'").describe(
    "Name of this broker among those that share the ledger: no other has it, and it stays with the data directory.",
  ),
  ...postgresPlace,
  user: text("the name of a role")
    .min(1, "expected the name of a role")
    .describe("Role that owns the ledger's tables."),
  ca: absolutePath()
    .optional()
    .describe("PEM file of the CA certificates that vouch for its host. Absent: those that Node.js has."),
  plain_on_loopback: yesNo().prefault(false).describe("Permits a loopback address without TLS."),
}).superRefine(checkPostgresPlace);

function parseWitnessUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isSafe = url?.protocol === "https:" || (url?.protocol === "http:" && LOOPBACK_NAMES.includes(url.hostname));
  if (url === undefined || !isSafe || url.search !== "" || url.hash !== "" || url.username + url.password !== "") {
    throw new BrokerError("INVALID_FIELD", "no URL of a witness");
  }
  return text;
}

function parseWitnessKey(text: string): NoteKey {
  const key = parseNoteKey(text);
  if (key?.type !== "cosignature") throw new BrokerError("INVALID_FIELD", "no key of a witness");
  return key;
}

export type SharedLedgerConfig = {
  /** Of this broker among those that share the log. */
  readonly replica: Segment;
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly passwordFile: string;
  readonly ca?: string;
  /** Without TLS, to a loopback address. */
  readonly isPlain: boolean;
};

/** Where the ledger is, and who vouches for it. */
export const ledgerSection = section({
  reserve_bytes: whole(RESERVE_BYTES_MIN, BYTES_MAX)
    .prefault(16 * MEBIBYTE)
    .describe("Disk space kept back, so that closing and revoking work when the disk is full."),
  disk_free_bytes_min: whole(0, BYTES_MAX)
    .prefault(LIMITS.diskFreeBytesMin)
    .describe("Issuance stops while the ledger's disk has less than this free."),
  postgres: postgresSection
    .optional()
    .describe(
      "A log in PostgreSQL (15 or later) that several brokers share. Absent: it is in the data directory, and this broker's alone.",
    ),
  checkpoint_copy: absolutePath()
    .optional()
    .describe("File on another disk or machine for a copy of the signed checkpoint; its directory has to be there."),
  witnesses: list(
    section({
      url: accepted(parseWitnessUrl, "an https URL, or http to this machine, without query").describe(
        "Its submission prefix; add-checkpoint is below it.",
      ),
      key: accepted(parseWitnessKey, "a verifier key of a witness, of type 04").describe("Its key, in one line."),
    }),
    "witnesses",
  )
    .prefault([])
    .describe("Who is asked every ten seconds to sign the newest checkpoint too (C2SP tlog-witness)."),
}).prefault({});

/** The place of a log that is shared, in the words of the configuration. */
export function sharedLedgerOf(declared: z.infer<typeof postgresSection> | undefined): SharedLedgerConfig | undefined {
  if (declared === undefined) return undefined;
  const { replica, host, port, database, user, ca } = declared;
  return {
    ...{ replica, host, port, database, user, passwordFile: declared.password_file },
    ...(ca === undefined ? {} : { ca }),
    isPlain: declared.plain_on_loopback,
  };
}
