import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { type JWTPayload, jwtVerify } from "jose";

/** Checks a step's token as whoever believes the broker's issuer does. */
export type TokenCheck = (token: string, audience: string) => Promise<JWTPayload>;

/** @param keysOf - of the broker, as they are now. */
export function tokenCheck(issuer: string, keysOf: () => Parameters<typeof jwtVerify>[1]): TokenCheck {
  return async (token, audience) => (await jwtVerify(token, keysOf(), { issuer, audience })).payload;
}

type Refusal = { readonly status: number; readonly code: string };

function refusal(status: number, code: string): Refusal {
  return { status, code };
}

const SECONDS = { min: 900, max: 43_200 };
const CREDENTIAL = "ASIAEXAMPLEEXAMPLE01";

/**
 * What AssumeRoleWithWebIdentity checks of a request, and how it answers: the parameters by the patterns of the API
 * reference, the token by the provider that the role's trust policy names.
 */
export function awsSts(options: {
  readonly roleArn: string;
  readonly audience: string;
  readonly subject: RegExp;
  readonly check: TokenCheck;
}): RequestListener {
  async function answered(request: IncomingMessage): Promise<string> {
    const form = new URLSearchParams(await text(request));
    const isForm = request.headers["content-type"]?.startsWith("application/x-www-form-urlencoded") === true;
    if (request.method !== "POST" || request.url !== "/" || !isForm) throw refusal(400, "InvalidAction");
    if (form.get("Action") !== "AssumeRoleWithWebIdentity" || form.get("Version") !== "2011-06-15") {
      throw refusal(400, "InvalidAction");
    }
    const session = form.get("RoleSessionName") ?? "";
    const seconds = Number(form.get("DurationSeconds") ?? 3_600);
    if (!/^[\w+=,.@-]{2,64}$/.test(session)) throw refusal(400, "ValidationError");
    if (!Number.isInteger(seconds) || seconds < SECONDS.min || seconds > SECONDS.max) {
      throw refusal(400, "ValidationError");
    }
    const claims = await options.check(form.get("WebIdentityToken") ?? "", options.audience).catch(() => {
      throw refusal(400, "InvalidIdentityToken");
    });
    const isTrusted = form.get("RoleArn") === options.roleArn && options.subject.test(claims.sub ?? "");
    if (!isTrusted) throw refusal(403, "AccessDenied");
    const expiration = new Date(Math.floor(Date.now() / 1_000 + seconds) * 1_000).toISOString();
    return `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <SubjectFromWebIdentityToken>${claims.sub}</SubjectFromWebIdentityToken>
    <Audience>${options.audience}</Audience>
    <AssumedRoleUser>
      <Arn>${options.roleArn.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/")}/${session}</Arn>
      <AssumedRoleId>AROAEXAMPLE:${session}</AssumedRoleId>
    </AssumedRoleUser>
    <Credentials>
      <SessionToken>c2Vzc2lvbg+/==</SessionToken>
      <SecretAccessKey>c2VjcmV0/key+</SecretAccessKey>
      <Expiration>${expiration.replace(".000Z", "Z")}</Expiration>
      <AccessKeyId>${CREDENTIAL}</AccessKeyId>
    </Credentials>
  </AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>`;
  }
  return (request, response) => {
    answered(request).then(
      (xml) => response.writeHead(200, { "content-type": "text/xml" }).end(xml),
      (thrown: unknown) => {
        const { status, code } = isRefusal(thrown) ? thrown : refusal(500, "InternalFailure");
        const xml = `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code></Error></ErrorResponse>`;
        response.writeHead(status, { "content-type": "text/xml" }).end(xml);
      },
    );
  };
}

const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token";
const JWT = "urn:ietf:params:oauth:token-type:jwt";
const FEDERATED = "federated-token";

/** What Google's STS checks of a token's exchange, and IAM credentials of an impersonation, on one origin. */
export function googleCloud(options: {
  readonly provider: string;
  readonly audience: string;
  readonly serviceAccount: string;
  readonly check: TokenCheck;
}): RequestListener {
  const path = `/v1/projects/-/serviceAccounts/${encodeURIComponent(options.serviceAccount)}:generateAccessToken`;

  async function exchanged(body: Readonly<Record<string, unknown>>): Promise<object> {
    const isWellFormed =
      body["grantType"] === EXCHANGE &&
      body["requestedTokenType"] === ACCESS_TOKEN &&
      body["subjectTokenType"] === JWT &&
      typeof body["scope"] === "string";
    if (!isWellFormed) throw refusal(400, "invalid_request");
    if (body["audience"] !== options.provider) throw refusal(400, "invalid_target");
    await options.check(String(body["subjectToken"]), options.audience).catch(() => {
      throw refusal(400, "invalid_grant");
    });
    const told = { access_token: FEDERATED, token_type: "Bearer", expires_in: 3_600 };
    return { ...told, issued_token_type: ACCESS_TOKEN };
  }

  function impersonated({ headers }: IncomingMessage, body: Readonly<Record<string, unknown>>): object {
    if (headers.authorization !== `Bearer ${FEDERATED}`) throw refusal(401, "UNAUTHENTICATED");
    const { scope, lifetime } = body;
    const [, seconds] = /^([1-9][0-9]{0,4})s$/.exec(String(lifetime)) ?? [];
    if (!Array.isArray(scope) || scope.length === 0 || seconds === undefined || Number(seconds) > 3_600) {
      throw refusal(400, "INVALID_ARGUMENT");
    }
    const ends = Math.floor(Date.now() / 1_000) + Number(seconds);
    return { accessToken: "ya29.impersonated", expireTime: new Date(ends * 1_000).toISOString().replace(".000Z", "Z") };
  }

  async function answered(request: IncomingMessage): Promise<object> {
    if (request.method !== "POST") throw refusal(405, "METHOD_NOT_ALLOWED");
    const body = JSON.parse(await text(request)) as Readonly<Record<string, unknown>>;
    if (request.url === "/v1/token") return exchanged(body);
    if (request.url === path) return impersonated(request, body);
    throw refusal(404, "NOT_FOUND");
  }
  return (request, response) => answerJson(answered(request), response);
}

function answerJson(answer: Promise<object>, response: ServerResponse): void {
  answer.then(
    (body) => response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body)),
    (thrown: unknown) => {
      const { status, code } = isRefusal(thrown) ? thrown : refusal(500, "INTERNAL");
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ error: code }));
    },
  );
}

function isRefusal(thrown: unknown): thrown is Refusal {
  return typeof thrown === "object" && thrown !== null && "status" in thrown && "code" in thrown;
}
