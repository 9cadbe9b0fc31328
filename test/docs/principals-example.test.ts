import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { decodeJwt } from "jose";
import { createStint } from "stint-sdk/runtime";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { startDaemon } from "../daemon.ts";
import { startOidcIssuer } from "../e2e/oidc-issuer.ts";
import { workFor } from "./runtime-snippets.ts";

const run = promisify(execFile);
const folder = import.meta.dirname;
const scripts = join(folder, "../../scripts");
/** Each command is a process of its own, on a machine that may be busy. */
const SCRIPT_MS_MAX = 120_000;

type Section = { readonly principals: { readonly issuers: readonly [{ readonly audience: string }] } };

test(
  "what the guides say of principals: the settings are taken, the commands do it, and the code works for a person",
  async () => {
    const login = await startOidcIssuer();
    const { principals } = parse(readFileSync(join(folder, "principals.yaml"), "utf8")) as Section;
    const [issuer] = principals.issuers;
    const selectors = [`unix:uid:${process.getuid?.()}`];
    const resource = "https://mcp.example.org/mcp";
    await using daemon = await startDaemon({
      entries: [
        {
          kind: "agent",
          name: "researcher",
          selectors,
          ceiling: [],
          may_open: true,
          allow_descendants: true,
          audiences: [resource],
        },
      ],
      config: { principals: { issuers: [{ ...issuer, issuer: login.url }] } },
    });
    const token = () => login.token({ sub: "ada", department: "engines", amr: ["pwd"] }, issuer.audience);
    const endpoint = `unix://${daemon.workloadSocket}`;
    using stint = createStint({ endpoint, agent: "researcher" });
    const jwt = await workFor(stint, { runId: "report-7", principalToken: await token(), resource });
    expect(decodeJwt(jwt)["principal"]).toMatchObject({ iss: login.url, sub: "ada" });

    writeFileSync(join(daemon.directory, "token"), await token(), { mode: 0o600 });
    const { stdout } = await run("sh", [join(folder, "principals.sh")], {
      cwd: daemon.directory,
      env: {
        ...process.env,
        PATH: `${scripts}${delimiter}${process.env["PATH"] ?? ""}`,
        SPIFFE_ENDPOINT_SOCKET: endpoint,
        STINT_OPERATOR_SOCKET: daemon.operatorSocket,
        login: login.url,
      },
    });
    expect(stdout).toContain("the report of nightly");
    expect(stdout).toMatch(new RegExp(`^ada +${login.url} +0 `, "m"));
    const again = { runId: "report-8", principalToken: await token(), resource };
    expect(decodeJwt(await workFor(stint, again))["principal"]).toMatchObject({ sub: "ada" });
    login.close();
  },
  SCRIPT_MS_MAX,
);
