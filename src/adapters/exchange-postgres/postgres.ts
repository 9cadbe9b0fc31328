import { Client, DatabaseError, escapeIdentifier, escapeLiteral } from "pg";
import { ExchangeFailure } from "../../domain/exchange.ts";
import { filledIn } from "../../domain/step-names.ts";
import type { EndedExchange, ExchangeOrder, ExchangeTarget } from "../../ports/exchange-target.ts";
import type { Randomness } from "../../ports/randomness.ts";
import { SALT_BYTES, scramVerifier } from "./scram-verifier.ts";

export type PostgresOptions = {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  /** The broker's own role, which makes and drops those of steps. */
  readonly user: string;
  readonly password: () => string;
  /** Whose rights a step's role has, with `{agent}` and the like in it; what a step's role owns at its end goes to it. */
  readonly role: string;
  readonly connectionsMax: number;
  /** `verified`: TLS, by these CA certificates in PEM, or those that Node.js has. `plain`: to this machine alone. */
  readonly tls: "plain" | { readonly ca: () => string | undefined };
  readonly randomness: Pick<Randomness, "bytes">;
};

const PASSWORD_BYTES = 32;
/** A step waits for it, and a close for its end: what takes longer is asked again later. */
const ANSWER_MS_MAX = 10_000;
/** Shorter, so that the server has given up what it was asked for when nobody waits for it any more. */
const STATEMENT_MS_MAX = 5_000;

/** A session that does not heed its end by then is told again, with the next attempt. */
const SESSION_END_MS_MAX = 2_000;

/**
 * A role for each step: made with its password's verifier, and dropped with all its sessions. Its name is the exchange's id,
 * so that it is dropped too where no answer came.
 */
export function postgresTarget(options: PostgresOptions): ExchangeTarget {
  const { host, port, database, randomness } = options;

  async function connected<Result>(act: (client: Client) => Promise<Result>, mayExist: boolean): Promise<Result> {
    const client = new Client({
      ...{ host, port, database, user: options.user, password: options.password() },
      ssl: options.tls === "plain" ? false : verifying(options.tls.ca()),
      application_name: "stint",
      connectionTimeoutMillis: ANSWER_MS_MAX,
      query_timeout: ANSWER_MS_MAX,
      statement_timeout: STATEMENT_MS_MAX,
    });
    // A connection that breaks while nothing is asked tells nobody else.
    client.on("error", () => undefined);
    try {
      await client.connect();
    } catch (thrown) {
      await client.end().catch(() => undefined);
      throw failureOf(thrown, "can't be reached", false);
    }
    try {
      return await act(client);
    } catch (thrown) {
      throw failureOf(thrown, "broke off before its answer", mayExist);
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  return {
    kind: "postgres",
    takesToken: false,
    secondsMin: 0,
    async issue(order) {
      const username = roleOf(order);
      const password = Buffer.from(randomness.bytes(PASSWORD_BYTES)).toString("base64url");
      const verifier = scramVerifier(password, randomness.bytes(SALT_BYTES));
      await connected((client) => client.query(creating(username, verifier, order, options)), true);
      const sslmode = options.tls === "plain" ? "disable" : "verify-full";
      const url = `postgresql://${username}:${password}@${inUrl(host)}:${port}/${encodeURIComponent(database)}`;
      return {
        secret: { ...{ username, password, host, port: String(port), database }, url: `${url}?sslmode=${sslmode}` },
        expiresAt: order.expiresAt,
        reference: `role ${username}`,
      };
    },
    end: (ended) => connected((client) => drop(client, ended, options), true),
  };
}

/** In hexadecimal, so that nothing of it has to be quoted anywhere. */
function roleOf({ exchangeId }: { readonly exchangeId: string }): string {
  return `stint_${exchangeId.replace(/^xch_/, "").replaceAll("-", "")}`;
}

/** The broker's role becomes a member, or it could neither end the sessions of the new role nor pass on what it owns. */
function creating(username: string, verifier: string, order: ExchangeOrder, options: PostgresOptions): string {
  const until = new Date(order.expiresAt * 1_000).toISOString();
  const group = escapeIdentifier(filledIn(options.role, order.names));
  return [
    `CREATE ROLE ${escapeIdentifier(username)} LOGIN PASSWORD ${escapeLiteral(verifier)}`,
    `VALID UNTIL ${escapeLiteral(until)} CONNECTION LIMIT ${options.connectionsMax}`,
    `IN ROLE ${group} ROLE CURRENT_USER`,
  ].join(" ");
}

/** Idempotent: what is not there any more is dropped. */
async function drop(client: Client, ended: EndedExchange, options: PostgresOptions): Promise<void> {
  const username = roleOf(ended);
  const { rows } = await client.query<{ readonly oid: number }>("SELECT oid FROM pg_roles WHERE rolname = $1", [
    username,
  ]);
  const [found] = rows;
  if (found === undefined) return;
  const role = escapeIdentifier(username);
  await client.query(`ALTER ROLE ${role} NOLOGIN`);
  await endSessions(client, found.oid);
  const heir = escapeIdentifier(filledIn(options.role, ended.names));
  // Several statements in one message are one transaction.
  await client.query(`REASSIGN OWNED BY ${role} TO ${heir}; DROP OWNED BY ${role}; DROP ROLE ${role}`);
  // Who was on the way in before the role lost its login has no role now, and may be there all the same.
  await endSessions(client, found.oid);
}

async function endSessions(client: Client, oid: number): Promise<void> {
  const { rows } = await client.query<{ readonly ended: boolean }>(
    "SELECT pg_terminate_backend(pid, $2) AS ended FROM pg_stat_activity WHERE usesysid = $1",
    [oid, SESSION_END_MS_MAX],
  );
  if (rows.every(({ ended }) => ended)) return;
  throw new ExchangeFailure("unavailable", "goes on with a session of the role", { mayExist: true });
}

/** The same certificates for whatever name PostgreSQL is reached by. */
function verifying(ca: string | undefined) {
  return { rejectUnauthorized: true, minVersion: "TLSv1.2", ...(ca === undefined ? {} : { ca }) } as const;
}

/** An address of IPv6 stands in brackets in a URL. */
function inUrl(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** Classes of SQLSTATE that say that the request is at fault: asking again changes nothing. */
const REFUSALS = ["0L", "0P", "22", "28", "3D", "3F", "42"];

/**
 * What went wrong, by its SQLSTATE: the server's texts may repeat what it was asked.
 *
 * @param otherwise - of a failure that the server did not tell of.
 */
function failureOf(thrown: unknown, otherwise: string, mayExist: boolean): ExchangeFailure {
  if (thrown instanceof ExchangeFailure) return thrown;
  if (thrown instanceof DatabaseError) {
    const { code = "" } = thrown;
    const kind = REFUSALS.includes(code.slice(0, 2)) ? "refused" : "unavailable";
    // A statement that failed has left nothing.
    return new ExchangeFailure(kind, `answered SQLSTATE ${code}`, { mayExist: false });
  }
  const detail = thrown instanceof Error && "code" in thrown ? String(thrown.code) : undefined;
  return new ExchangeFailure("unavailable", otherwise, { mayExist, detail });
}
