// Judges tokens with jose, as the guide says or by its defaults; run by jose.test.ts.
import { createInterface } from "node:readline";

// #region verify
import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from "jose";

const issuer = process.env["ISSUER"] ?? "https://stint.example.org:8443";
const resource = process.env["RESOURCE"] ?? "https://mcp.example.org/mcp";
const keys = createRemoteJWKSet(new URL(`${issuer}/jwks.json`), { cacheMaxAge: 60_000 });

/** The claims of a step's JWT-SVID for this server. Rejects for anything else. */
export async function stepOf(token: string): Promise<JWTPayload> {
  const { payload } = await jwtVerify(token, keys, {
    algorithms: ["ES256"],
    issuer,
    audience: resource,
    clockTolerance: 5,
    requiredClaims: ["iss", "sub", "aud", "exp", "iat", "nbf", "jti"],
  });
  if ("cnf" in payload) throw new errors.JWTInvalid("bound to a key whose possession is not checked here");
  return payload;
}
// #endregion

async function judged(token: string): Promise<JWTPayload> {
  if (process.env["MODE"] === "guide") return stepOf(token);
  const audience = process.env["MODE"] === "defaults" ? { audience: resource } : {};
  return (await jwtVerify(token, keys, { issuer, ...audience })).payload;
}

process.stdout.write("ready\n");
for await (const token of createInterface({ input: process.stdin })) {
  const line = await judged(token).then(
    ({ sub }) => `taken ${sub}`,
    (refused: Error) => `refused ${refused.name}`,
  );
  process.stdout.write(`${line}\n`);
}
