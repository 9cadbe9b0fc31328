import { Socket } from "node:net";
import { Client, DatabaseError, type QueryResult, type QueryResultRow } from "pg";
import { BrokerError } from "../../domain/errors.ts";

/** Where the database is. May be handed to another thread. */
export type PostgresPlace = {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  /** `verified`: TLS, by these CA certificates in PEM, or those that Node.js has. `plain`: to this machine alone. */
  readonly tls: "plain" | { readonly ca?: string };
};

/** One connection. */
export type Session = {
  /** Throws BrokerError LEDGER_UNAVAILABLE, whose detail says why; after a fault of the connection the session is ended. */
  query<Row extends QueryResultRow = QueryResultRow>(
    text: string,
    values?: readonly unknown[],
  ): Promise<QueryResult<Row>>;
  isEnded(): boolean;
  onNotification(listener: (channel: string, payload: string) => void): void;
  /** Called once, however the session ended. */
  onEnd(listener: () => void): void;
  /** At once: an answer that is waited for does not come any more. */
  end(): void;
};

/** Whoever waits for longer is refused; a partition shows by nothing else. */
const ANSWER_MS_MAX = 10_000;
/** A replica that stands still in its turn loses the turn then. */
const IDLE_MS_MAX = 5_000;
/** Longer than that, so that the turn of one that stands still is waited for. */
const LOCK_MS_MAX = 8_000;
const CONNECT_MS_MAX = 5_000;

/**
 * Connects, with a prepared statement for every text that has values.
 *
 * @throws BrokerError LEDGER_UNAVAILABLE when nobody answers or the role is refused
 */
export async function openSession({ tls, ...place }: PostgresPlace, password: () => string): Promise<Session> {
  const socket = new Socket();
  const client = new Client({
    ...place,
    password: password(),
    ssl: tls === "plain" ? false : { rejectUnauthorized: true, minVersion: "TLSv1.2", ...tls },
    stream: () => socket,
    application_name: "stint",
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_MS_MAX,
    query_timeout: ANSWER_MS_MAX,
    statement_timeout: ANSWER_MS_MAX,
    lock_timeout: LOCK_MS_MAX,
    idle_in_transaction_session_timeout: IDLE_MS_MAX,
  });
  let isEnded = false;
  const enders: (() => void)[] = [];
  const statements = new Map<string, string>();

  function end(): void {
    if (isEnded) return;
    isEnded = true;
    socket.destroy();
    for (const ended of enders.splice(0)) ended();
  }

  client.on("error", end);
  client.on("end", end);
  try {
    await client.connect();
  } catch (thrown) {
    end();
    throw unavailable(thrown);
  }

  function nameOf(text: string): string {
    const known = statements.get(text) ?? `s${statements.size}`;
    statements.set(text, known);
    return known;
  }

  return {
    async query<Row extends QueryResultRow>(text: string, values?: readonly unknown[]) {
      if (isEnded) throw unavailable(undefined);
      try {
        if (values === undefined) return await client.query<Row>(text);
        return await client.query<Row>({ name: nameOf(text), text, values: [...values] });
      } catch (thrown) {
        // Only the server's own word leaves the connection in a state that is known.
        if (!(thrown instanceof DatabaseError)) end();
        throw unavailable(thrown);
      }
    },
    isEnded: () => isEnded,
    onNotification: (listener) =>
      void client.on("notification", ({ channel, payload = "" }) => listener(channel, payload)),
    onEnd(listener) {
      if (isEnded) listener();
      else enders.push(listener);
    },
    end,
  };
}

/** A connection that is made with the first question, and anew with the next once it has ended. */
export function keepSession(place: PostgresPlace, password: () => string) {
  let kept: Session | undefined;
  let opening: Promise<Session> | undefined;
  return {
    /** Throws as `openSession`. */
    session(): Promise<Session> {
      if (kept?.isEnded() === false) return Promise.resolve(kept);
      opening ??= openSession(place, password)
        .then((made) => {
          kept = made;
          return made;
        })
        .finally(() => {
          opening = undefined;
        });
      return opening;
    },
    end: () => kept?.end(),
  };
}

/** By its SQLSTATE or the system's word: the server's texts may repeat what was written. */
function unavailable(thrown: unknown): BrokerError {
  const code = thrown instanceof Error && "code" in thrown && typeof thrown.code === "string" ? thrown.code : undefined;
  const detail = code ?? (thrown instanceof Error ? thrown.message : "the connection is closed");
  const message = "the ledger's database can't be reached, or does not answer as it should";
  return new BrokerError("LEDGER_UNAVAILABLE", message, { detail: `PostgreSQL: ${detail}` });
}
