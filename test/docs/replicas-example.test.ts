import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { parse } from "yaml";
import { startDaemon } from "../daemon.ts";
import { postgresPrograms, startPostgres, testWithPostgres as test } from "../postgres/server.ts";
import { read } from "./documents.ts";

const shown = parse(read("test/docs/replicas.yaml")) as { ledger: { postgres: Record<string, unknown> } };

test("the guide to several brokers: the role that it makes may do all that a broker does, and its configuration is taken", async () => {
  const server = await startPostgres((await postgresPrograms())["18"]);
  try {
    // A database is made by a statement of its own.
    for (const statement of read("test/docs/replicas.sql").split(";\n")) {
      if (statement !== "") await server.query(statement);
    }
    await using daemon = await startDaemon({
      config(directory) {
        const passwordFile = join(directory, "ledger.password");
        writeFileSync(passwordFile, "one of your own\n", { mode: 0o600 });
        const { ca: _, ...postgres } = shown.ledger.postgres;
        const here = { host: "127.0.0.1", port: server.port, password_file: passwordFile, plain_on_loopback: true };
        return {
          ledger: { reserve_bytes: 1_048_576, disk_free_bytes_min: 1_048_576, postgres: { ...postgres, ...here } },
        };
      },
    });
    expect(await daemon.stop()).toBe(0);
  } finally {
    await server.close();
  }
});
