import { join } from "node:path";
import { expect, test } from "vitest";
import { loadConfig } from "../../src/config/load-config.ts";

test("the guide's configuration of a primary and its standby is taken without a warning", () => {
  const accounts = { users: [], groups: [] };
  const config = loadConfig(join(import.meta.dirname, "standby.yaml"), {}, { user: { uid: 900, gids: [] }, accounts });
  expect(config.warnings).toEqual([]);
  expect(config.entries).toMatchObject([{ kind: "operator", name: "standby", role: "standby" }]);
  expect(config.standby).toEqual({
    of: "stint-1.example.org:8445",
    attestation: "stint-1.example.org:8446",
    bundle: "/etc/stint/bundle.json",
    certificate: "/etc/stint/machine.crt",
    privateKey: "/etc/stint/machine.key",
  });
});
