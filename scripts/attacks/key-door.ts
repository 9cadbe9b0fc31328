import { createHash, timingSafeEqual } from "node:crypto";
import BetterSqlite3 from "better-sqlite3";

/** What the key of the usual set-up stands for: tools of all kinds, since nobody knows beforehand which an agent will need. */
const ROLES: Readonly<Record<string, readonly string[]>> = {
  agent: ["read_ticket", "customers", "send_mail", "refund", "search"],
};

type Handler = (request: Request) => Promise<Response>;

export type AuditRow = { readonly role: string | null; readonly tool: string; readonly status: number };

export type KeyDoor = {
  readonly handle: Handler;
  /** The rows since this was asked last. */
  audited(): readonly AuditRow[];
};

/** `2 rows: agent read_ticket 200, agent send_mail 200` */
export function auditText(rows: readonly AuditRow[]): string {
  const texts = rows.map(({ role, tool, status }) => `\`${role ?? "nobody"} ${tool} ${status}\``);
  return `${rows.length} ${rows.length === 1 ? "row" : "rows"}: ${texts.join(", ")}`;
}

/**
 * The door of the usual set-up: a key in `Authorization` stands for a role, the role for tools, and each call is a row of a table.
 *
 * @param key - of the role `agent`.
 * @param table - path of the database.
 */
export function keyDoor(key: string, table: string, next: Handler): KeyDoor {
  const database = new BetterSqlite3(table);
  database.pragma("journal_mode = WAL");
  database.exec("CREATE TABLE audit (id INTEGER PRIMARY KEY, at TEXT NOT NULL, role TEXT, tool TEXT, status INTEGER)");
  const row = database.prepare("INSERT INTO audit (at, role, tool, status) VALUES (?, ?, ?, ?)");
  const newer = database.prepare<[number], AuditRow & { readonly id: number }>(
    "SELECT * FROM audit WHERE id > ? ORDER BY id",
  );
  let seen = 0;

  async function handle(request: Request): Promise<Response> {
    const role = isKey(request.headers.get("authorization"), key) ? "agent" : null;
    const tool = await toolIn(request.clone());
    const refuse = (status: number) => {
      if (tool !== null) row.run(new Date().toISOString(), role, tool, status);
      return new Response(null, { status });
    };
    if (role === null) return refuse(401);
    if (tool !== null && ROLES[role]?.includes(tool) !== true) return refuse(403);
    const response = await next(request);
    if (tool !== null) row.run(new Date().toISOString(), role, tool, response.status);
    return response;
  }

  return {
    handle,
    audited() {
      const rows = newer.all(seen);
      seen = rows.at(-1)?.id ?? seen;
      return rows.map(({ role, tool, status }) => ({ role, tool, status }));
    },
  };
}

function isKey(authorization: string | null, key: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(authorization ?? ""), digest(`Bearer ${key}`));
}

async function toolIn(request: Request): Promise<string | null> {
  const message = (await request.json().catch(() => ({}))) as { method?: string; params?: { name?: string } };
  return message.method === "tools/call" ? (message.params?.name ?? "") : null;
}
