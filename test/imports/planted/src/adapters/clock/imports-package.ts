// planted: adapters-imports
import SqliteDatabase from "better-sqlite3";

export const secondHome = SqliteDatabase;
