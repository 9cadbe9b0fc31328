import fc from "fast-check";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { configText } from "../../../src/cli/init/config-text.ts";

const account = fc.oneof(
  fc.stringMatching(/^[a-z_][a-z0-9_-]{0,31}$/),
  fc.constantFrom("null", "true", "no", "off", "_", "y", "n", "e-", "inf", "nan", "0x", "e0", "e-15"),
);

test("whatever the names are, YAML of both versions reads the same of them", () => {
  const plans = fc.record({
    trustDomain: fc.stringMatching(/^[a-z0-9._-]{1,40}$/),
    issuer: fc.webUrl(),
    daemonUser: account,
    runtimeUser: account,
    agentUsers: fc.array(account, { minLength: 1, maxLength: 3 }),
    serverUser: account,
    serverUrl: fc.webUrl({ withQueryParameters: true }),
    operatorUsers: fc.array(account, { minLength: 1, maxLength: 3 }),
    operatorGroup: account,
    dataDirectory: fc
      .string({ minLength: 1 })
      .filter((path) => !/[\n\r]/.test(path))
      .map((path) => `/${path}`),
    socketDirectory: fc.stringMatching(/^\/[a-z: #]{1,20}$/),
  });
  fc.assert(
    fc.property(plans, fc.constantFrom("1.1" as const, "1.2" as const), (plan, version) => {
      const { agentUsers, operatorUsers, runtimeUser, serverUser } = plan;
      const read = parse(configText(plan), { version });
      expect(read).toMatchObject({
        trust_domain: plan.trustDomain,
        issuer: plan.issuer,
        data_directory: plan.dataDirectory,
        operator: { group: plan.operatorGroup },
      });
      expect(read.entries.map(({ name }: { readonly name: unknown }) => name)).toEqual([
        ...operatorUsers,
        runtimeUser,
        ...agentUsers,
        serverUser,
      ]);
      expect(read.entries.at(-1).audiences).toEqual([plan.serverUrl]);
    }),
  );
});
