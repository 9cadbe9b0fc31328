import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { JwtClaims } from "../../../src/domain/jwt-claims.ts";
import { addSeconds, type UnixSeconds } from "../../../src/domain/time.ts";
import { madeCertificate } from "../../api/http/http-peers.ts";
import { STEP } from "../../samples/credentials.ts";
import { pythonIsMissing, pythonWithPackages } from "./python-environment.ts";
import { searchAt, startTokenIssuer, type TokenIssuer } from "./token-issuer.ts";

const AUDIENCE = "https://mcp.example.org/search";
/** Time to download and unpack the packages, once; afterwards it is there. */
const INSTALL_MS_MAX = 300_000;

async function issuer(tls?: Parameters<typeof startTokenIssuer>[0]): Promise<TokenIssuer> {
  const started = await startTokenIssuer(tls);
  onTestFinished(started.close);
  return started;
}

test("jose, told the issuer's URL alone, verifies a token by the published keys, also after a rotation", async () => {
  const { url, mint, rotate } = await issuer();
  const discovery = await fetch(`${url}/.well-known/openid-configuration`);
  const { jwks_uri } = (await discovery.json()) as { jwks_uri: string };
  const keys = createRemoteJWKSet(new URL(jwks_uri), { cooldownDuration: 0 });
  const options = { issuer: url, audience: AUDIENCE, algorithms: ["ES256"] };
  const before = await mint(AUDIENCE);
  expect((await jwtVerify(before, keys, options)).payload).toMatchObject({ sub: STEP.spiffeId, run_id: STEP.runId });
  await rotate();
  for (const token of [await mint(AUDIENCE), before]) await jwtVerify(token, keys, options);
});

describe.skipIf(pythonIsMissing() !== undefined)("in Python", () => {
  let python: string;
  let children: ChildProcessWithoutNullStreams[] = [];

  beforeAll(async () => {
    python = await pythonWithPackages();
  }, INSTALL_MS_MAX);

  afterAll(async () => {
    await Promise.all(children.map(ended));
    children = [];
  });

  /** Both programs leave when their standard input is closed. */
  function ended(child: ChildProcessWithoutNullStreams): Promise<void> {
    return new Promise((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve();
      child.once("exit", () => resolve());
      child.stdin.end();
      return undefined;
    });
  }

  function started(
    program: string,
    args: readonly string[],
  ): {
    readonly child: ChildProcessWithoutNullStreams;
    readonly nextLine: () => Promise<string>;
  } {
    // "-B": no compiled files beside the sources.
    const child = spawn(python, ["-B", join(import.meta.dirname, program), ...args]);
    children.push(child);
    const complaints: Buffer[] = [];
    child.stderr.on("data", (chunk: Buffer) => complaints.push(chunk));
    const lines: Interface = createInterface({ input: child.stdout });
    const each = lines[Symbol.asyncIterator]();
    return {
      child,
      nextLine: async () => {
        const { value, done } = await each.next();
        if (done === true) throw new Error(`${program} ended: ${Buffer.concat(complaints).toString()}`);
        return value;
      },
    };
  }

  type Judgment = { readonly claims?: JwtClaims; readonly error?: string };

  async function verifier(url: string, cafile?: string): Promise<(token: string) => Promise<Judgment>> {
    const { child, nextLine } = started("verify_tokens.py", [url, AUDIENCE, ...(cafile === undefined ? [] : [cafile])]);
    return async (token) => {
      child.stdin.write(`${token}\n`);
      return JSON.parse(await nextLine()) as Judgment;
    };
  }

  test("PyJWT, told issuer and audience alone, verifies a token over TLS and reads the step from it", async () => {
    const { certificate, privateKey } = madeCertificate();
    const { url, mint } = await issuer({ certificate, privateKey });
    const verify = await verifier(url, certificate);
    const { claims } = await verify(await mint(AUDIENCE));
    expect(claims).toMatchObject({
      iss: url,
      sub: STEP.spiffeId,
      aud: [AUDIENCE],
      run_id: STEP.runId,
      step: STEP.step,
      attempt: STEP.attempt,
      scope: "mcp:tool:search",
      authorization_details: [searchAt(AUDIENCE)],
    });
  });

  test("PyJWT refuses what is not for it, not yet, no longer, or not ours", async () => {
    const { url, mint, mintByUnpublishedKey } = await issuer();
    const other = await issuer();
    const verify = await verifier(url);
    const now = Math.floor(Date.now() / 1_000) as UnixSeconds;
    const good = await mint(AUDIENCE);
    const [head = "", claims = "", signature = ""] = good.split(".");
    const flipped = `${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`;
    const none = `${Buffer.from('{"alg":"none","typ":"JWT"}').toString("base64url")}.${claims}.`;
    const forged: Record<string, string> = {
      "another audience": await mint("https://mcp.example.org/files"),
      expired: await mint(AUDIENCE, { notBefore: addSeconds(now, -200), expiresAt: addSeconds(now, -60) }),
      "not yet valid": await mint(AUDIENCE, { notBefore: addSeconds(now, 60) }),
      "a key that is not published": await mintByUnpublishedKey(AUDIENCE),
      "another issuer's": await other.mint(AUDIENCE),
      "another signature": `${head}.${claims}.${flipped}`,
      "no signature": none,
      "no token": "hello",
    };
    const errors: Record<string, string | undefined> = {};
    for (const [what, token] of Object.entries(forged)) errors[what] = (await verify(token)).error;
    expect(errors).toEqual({
      "another audience": "InvalidAudienceError",
      expired: "ExpiredSignatureError",
      "not yet valid": "ImmatureSignatureError",
      "a key that is not published": "PyJWKClientError",
      "another issuer's": "PyJWKClientError",
      "another signature": "InvalidSignatureError",
      "no signature": "PyJWKClientError",
      "no token": "DecodeError",
    });
    expect((await verify(good)).claims?.sub).toBe(STEP.spiffeId);
  });

  test("an MCP server of the Python SDK lets a step call what it was granted, and nothing else", async () => {
    const { url, mint } = await issuer();
    const { nextLine } = started("mcp_server.py", [url]);
    const resource = await nextLine();
    const call = async (token: string | undefined, tool: string, args: Record<string, string>): Promise<unknown> => {
      const client = new Client({ name: "agent", version: "1" });
      const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
      await client.connect(new StreamableHTTPClientTransport(new URL(resource), { requestInit: { headers } }));
      try {
        return await client.callTool({ name: tool, arguments: args });
      } finally {
        await client.close();
      }
    };
    const token = await mint(resource);
    expect(await call(token, "search", { query: "invoices" })).toMatchObject({
      content: [{ type: "text", text: `${STEP.spiffeId} searched for invoices` }],
    });
    expect(await call(token, "delete", { document: "1" })).toMatchObject({
      isError: true,
      content: [{ type: "text", text: expect.stringContaining("the step's grant does not cover this call") }],
    });
    const statusOf = async (authorization: Record<string, string>): Promise<number> =>
      (await fetch(resource, { method: "POST", headers: authorization, body: "{}" })).status;
    expect(await statusOf({})).toBe(401);
    expect(await statusOf({ authorization: `Bearer ${await mint(AUDIENCE)}` })).toBe(401);
  });
});
