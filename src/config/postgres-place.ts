import type { z } from "zod";
import { absolutePath, isLoopback, text, whole } from "./fields.ts";

const HOST = "a host name or an IP address";
const PORT_MAX = 65_535;

/** Where a database of PostgreSQL is, and who answers for this broker there. */
export const postgresPlace = {
  host: text(HOST)
    .refine((host) => /^[A-Za-z0-9.:_-]{1,253}$/.test(host), { error: `expected ${HOST}` })
    .describe("Where PostgreSQL answers, over TLS."),
  port: whole(1, PORT_MAX).prefault(5_432).describe("Port at which PostgreSQL answers."),
  database: text("the name of a database")
    .min(1, "expected the name of a database")
    .describe("Name of the database in PostgreSQL."),
  password_file: absolutePath().describe("File with its password; readable for the broker's user alone."),
};

type Encryption = { readonly host: string; readonly plain_on_loopback: boolean; readonly ca?: string | undefined };

/** Findings of a place that is reached without TLS, but is not this machine. */
export function checkPostgresPlace(
  { host, plain_on_loopback: isPlain, ca }: Encryption,
  context: z.RefinementCtx,
): void {
  const custom = (key: string, message: string) => context.addIssue({ code: "custom", path: [key], message });
  if (isPlain && !isLoopback(host)) custom("plain_on_loopback", "expected a loopback address as host with it");
  if (isPlain && ca !== undefined) custom("ca", "expected none with plain_on_loopback");
}
