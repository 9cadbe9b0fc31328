// Somebody who administers the machine, as the user of a daemon: changes its files beside it.
import { rmSync } from "node:fs";
import BetterSqlite3 from "better-sqlite3";
import { serveCommands } from "../demo/actor.ts";

const commands = {
  /** @returns rows that were changed, and what SQLite says of the database afterwards */
  async edit({ database, statements }: { readonly database: string; readonly statements: readonly string[] }) {
    const opened = new BetterSqlite3(database);
    try {
      opened.pragma("foreign_keys = OFF");
      let changed = 0;
      for (const statement of statements) changed += opened.prepare(statement).run().changes;
      return { changed, integrity: String(opened.pragma("integrity_check", { simple: true })) };
    } finally {
      opened.close();
    }
  },

  async count({ database, query }: { readonly database: string; readonly query: string }) {
    const opened = new BetterSqlite3(database, { readonly: true });
    try {
      return Number(opened.prepare(query).pluck().get());
    } finally {
      opened.close();
    }
  },

  /** A copy of a database as it is at this moment, whoever has it open. */
  async copy({ database, to }: { readonly database: string; readonly to: string }) {
    const opened = new BetterSqlite3(database);
    try {
      opened.prepare("VACUUM INTO ?").run(to);
    } finally {
      opened.close();
    }
  },

  /** Puts a copy in the place of a database that nobody has open. */
  async putBack({ copy, database }: { readonly copy: string; readonly database: string }) {
    for (const suffix of ["", "-wal", "-shm"]) rmSync(`${database}${suffix}`, { force: true });
    const opened = new BetterSqlite3(copy);
    try {
      opened.prepare("VACUUM INTO ?").run(database);
    } finally {
      opened.close();
    }
  },
};

export type InsiderCommands = typeof commands;
process.umask(0o077);
serveCommands(commands);
