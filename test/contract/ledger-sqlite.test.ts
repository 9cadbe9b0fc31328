import { ledgerContract } from "./ledger.ts";
import { signingContract } from "./ledger-signing.ts";
import { openSigningSqlite, openSqlite } from "./sqlite-ledger.ts";

ledgerContract("SQLite on files, with its writing thread", openSqlite);
signingContract("SQLite on files, with its writing thread", openSigningSqlite);
