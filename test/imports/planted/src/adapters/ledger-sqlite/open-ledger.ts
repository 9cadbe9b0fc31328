// planted: nothing
import { readFileSync } from "node:fs";
import type { Database } from "better-sqlite3";
import SqliteDatabase from "better-sqlite3";

export const openLedger = (file: string): Database => new SqliteDatabase(readFileSync(file));
