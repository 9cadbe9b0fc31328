import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { Provider } from "oidc-provider";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort } from "../free-port.ts";
import { describeWithBrowser, openTab, startBrowser } from "./browser.ts";
import { type ConsoleScene, startConsole } from "./console-scene.ts";

// Goal: who signs in at the provider is the operator whose entry names them, and nobody else, by one answer of the provider, once, in the
// browser that began. Method: oidc-provider, a certified implementation, in a real browser; and a provider that answers what none should.

const CLIENT = { id: "stint-console", secret: "a-secret-that-is-long-enough-for-anything" };
const SUBJECT = "alex@example.org";

/** A provider that lets anybody in under the name that they type. */
async function startProvider(redirectUri: string): Promise<{ readonly url: string; close(): void }> {
  const server = createServer();
  const url = await listening(server);
  const provider = new Provider(url, {
    clients: [
      {
        client_id: CLIENT.id,
        redirect_uris: [redirectUri],
        token_endpoint_auth_method: "none",
        application_type: "native",
      },
    ],
    cookies: { keys: ["of one test run"] },
    pkce: { required: () => true },
    findAccount: (_context: unknown, id: string) => ({ accountId: id, claims: () => ({ sub: id }) }),
    features: { devInteractions: { enabled: true } },
  });
  server.on("request", provider.callback());
  return { url, close: () => server.close() };
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A console whose operator is known by what a provider says. */
async function consoleAt(port: number, issuer: string, more: object = {}): Promise<ConsoleScene> {
  return startConsole({
    entries: [
      { kind: "operator", name: "alex", selectors: [`oidc:iss:${issuer}`, `oidc:sub:${SUBJECT}`], role: "admin" },
      { kind: "agent", name: "alex-bot", selectors: [`unix:uid:4242`], ceiling: [] },
    ],
    config: { operations: { listen: `127.0.0.1:${port}`, plain_on_loopback: true } },
    console: { sign_in: { issuer, client_id: CLIENT.id, ...more } },
  });
}

describeWithBrowser("at oidc-provider, in a browser", () => {
  let browser: Browser;
  let own: ConsoleScene;
  let provider: Awaited<ReturnType<typeof startProvider>>;
  beforeAll(async () => {
    browser = await startBrowser();
    const port = await freePort();
    provider = await startProvider(`http://127.0.0.1:${port}/console/signed-in`);
    own = await consoleAt(port, provider.url);
  });
  afterAll(async () => {
    provider.close();
    await browser.close();
    await own[Symbol.asyncDispose]();
  });

  async function signIn(name: string) {
    const tab = await openTab(browser);
    const { page } = tab;
    await page.goto(`${own.url}/console/`);
    await page.getByRole("link", { name: "Sign in at your OpenID provider" }).click();
    await page.locator("[name=login]").fill(name);
    await page.locator("[name=password]").fill("any");
    await page.locator("[type=submit]").click();
    await page.getByRole("button", { name: /continue/i }).click();
    await page.waitForURL((url) => url.href.startsWith(`${own.url}/console/`));
    return tab;
  }

  test("an operator is signed in, and no secret is left anywhere that a script or a log can see", async () => {
    const { page, context } = await signIn(SUBJECT);
    await page.getByText("alex (admin)").waitFor();
    expect(page.url()).toBe(`${own.url}/console/`);
    const [session, ...others] = (await context.cookies(own.url)).filter(({ name }) => name.startsWith("stint-"));
    expect(session).toMatchObject({ name: "stint-console", httpOnly: true, sameSite: "Strict" });
    expect(others).toEqual([]);
    expect(await page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]")).toEqual(["", 0, 0]);
    expect(own.daemon().stderr()).not.toContain(session?.value);
  });

  test("somebody whom no entry names is not, and is told so without a reason", async () => {
    const { page, context } = await signIn("somebody@example.org");
    await page.getByRole("alert").getByText("The sign-in failed; the broker's log says why.").waitFor();
    expect((await context.cookies(own.url)).map(({ name }) => name)).not.toContain("stint-console");
    const told = own.daemon().log.filter(({ msg }) => msg === "a sign-in to the console failed");
    expect(told.at(-1)).toMatchObject({ reason: "NO_IDENTITY" });
  });
});

/** What a provider answers that may be none. */
type Answer = { readonly claims?: object; readonly key?: "another"; readonly status?: number };

/** A provider by hand: its answer is what a test says. */
async function startForger() {
  const [{ privateKey, publicKey }, other] = [await generateKeyPair("ES256"), await generateKeyPair("ES256")];
  let answer: Answer = {};
  const asked: URLSearchParams[] = [];
  let told = 0;
  const server = createServer(async (request, response) => {
    const send = (status: number, body: object) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    if (request.url === "/jwks")
      return send(200, { keys: [{ ...(await exportJWK(publicKey)), kid: "one", alg: "ES256" }] });
    if (request.url !== "/token") {
      told += 1;
      const endpoints = {
        authorization_endpoint: `${url}/auth`,
        token_endpoint: `${url}/token`,
        jwks_uri: `${url}/jwks`,
      };
      return send(200, { issuer: url, ...endpoints, id_token_signing_alg_values_supported: ["ES256"] });
    }
    asked.push(new URLSearchParams(await text(request)));
    const iat = Math.floor(Date.now() / 1_000);
    const claims = { sub: SUBJECT, iss: url, aud: CLIENT.id, nonce: nonce(), iat, exp: iat + 300, ...answer.claims };
    const token = new SignJWT(claims).setProtectedHeader({ alg: "ES256", kid: "one" });
    const idToken = await token.sign(answer.key === "another" ? other.privateKey : privateKey);
    return send(answer.status ?? 200, { access_token: "none-of-it", token_type: "Bearer", id_token: idToken });
  });
  let sent = new URL("http://none.invalid");
  const nonce = () => sent.searchParams.get("nonce");
  const url = await listening(server);
  return {
    url,
    asked,
    /** How often it has told its metadata. */
    told: () => told,
    close: () => server.close(),
    answers(next: Answer) {
      answer = next;
    },
    /** Takes the browser in, as it was sent. */
    arrives(at: URL) {
      sent = at;
    },
  };
}

let forger: Awaited<ReturnType<typeof startForger>>;
let scene: ConsoleScene;
beforeAll(async () => {
  forger = await startForger();
  scene = await consoleAt(await freePort(), forger.url);
});
afterAll(async () => {
  forger.close();
  await scene[Symbol.asyncDispose]();
});

/** A sign-in that was begun, at a forger that answers as it should. */
async function begun() {
  forger.asked.length = 0;
  forger.answers({});
  const failures = failuresOf(scene).length;
  const answer = await scene.ask("/console/sign-in");
  expect(answer.status).toBe(303);
  const to = new URL(String(answer.headers["location"]));
  forger.arrives(to);
  const cookie = String(answer.headers["set-cookie"]).split(";")[0] ?? "";
  const back = (query: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>> = { cookie }) =>
    scene.ask(`/console/signed-in?${new URLSearchParams(query)}`, { headers });
  return {
    to,
    back,
    /** Why it failed, as the log says. */
    failures: () => failuresOf(scene).slice(failures),
    state: to.searchParams.get("state") ?? "",
    set: String(answer.headers["set-cookie"]),
  };
}

const failuresOf = (scene: ConsoleScene) =>
  scene.daemon().log.flatMap(({ msg, detail }) => (msg === "a sign-in to the console failed" ? [String(detail)] : []));
const FAILED = { status: 303, location: "/console/?sign-in=failed" };
const outcomeOf = ({ status, headers }: Awaited<ReturnType<ConsoleScene["ask"]>>) => ({
  status,
  location: headers["location"],
});
const isSignedIn = ({ headers }: Awaited<ReturnType<ConsoleScene["ask"]>>) =>
  String(headers["set-cookie"]).includes("stint-console=");

test("the browser is sent with PKCE, a state and a nonce, none of them used twice", async () => {
  const { to, set, back, state } = await begun();
  expect(Object.fromEntries(to.searchParams)).toEqual({
    client_id: CLIENT.id,
    redirect_uri: `${scene.url}/console/signed-in`,
    response_type: "code",
    scope: "openid",
    state: expect.stringMatching(/^[\w-]{43}$/),
    nonce: expect.stringMatching(/^[\w-]{43}$/),
    code_challenge: expect.stringMatching(/^[\w-]{43}$/),
    code_challenge_method: "S256",
  });
  expect(set).toMatch(/^stint-sign-in=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/);
  const another = new URL(String((await scene.ask("/console/sign-in")).headers["location"]));
  for (const name of ["state", "nonce", "code_challenge"]) {
    expect(another.searchParams.get(name)).not.toBe(to.searchParams.get(name));
  }
  const answer = await back({ code: "one", state, iss: forger.url });
  expect(outcomeOf(answer)).toEqual({ status: 303, location: "/console/" });
  expect(isSignedIn(answer)).toBe(true);
  expect(forger.asked[0]?.get("code_verifier")).toMatch(/^[\w-]{43}$/);
});

test.each<[string, RegExp, Answer]>([
  ["of another sign-in", /nonce/, { claims: { nonce: "another" } }],
  ["without a nonce", /nonce/, { claims: { nonce: undefined } }],
  ["for another client", /aud/, { claims: { aud: "another-client" } }],
  ["of another issuer", /iss/, { claims: { iss: "https://evil.example" } }],
  ["that has expired", /exp/, { claims: { exp: 1_700_000_000 } }],
  ["signed by another's key", /signature/, { key: "another" }],
  ["with an error", /response|status/, { status: 400 }],
])("an ID token %s signs nobody in", async (_, why, answer) => {
  const { back, state, failures } = await begun();
  forger.answers(answer);
  const got = await back({ code: "one", state });
  expect(outcomeOf(got)).toEqual(FAILED);
  expect(isSignedIn(got)).toBe(false);
  await expect.poll(failures).toEqual([expect.stringMatching(why)]);
});

test.each<[string, (state: string) => Readonly<Record<string, string>>]>([
  ["another state", () => ({ code: "one", state: "A".repeat(43) })],
  ["no state", () => ({ code: "one" })],
  ["no code", (state) => ({ state })],
  ["another issuer's name", (state) => ({ code: "one", state, iss: "https://evil.example" })],
  ["the provider's refusal", (state) => ({ error: "access_denied", state })],
])("an answer with %s signs nobody in", async (_, query) => {
  const { back, state } = await begun();
  const got = await back(query(state));
  expect(outcomeOf(got)).toEqual(FAILED);
  expect(isSignedIn(got)).toBe(false);
  // Nothing was sent on to the provider.
  expect(forger.asked).toEqual([]);
});

test("an answer counts once, and only in the browser that began", async () => {
  const { back, state } = await begun();
  expect(outcomeOf(await back({ code: "one", state }, {}))).toEqual(FAILED);
  expect(outcomeOf(await back({ code: "one", state }, { cookie: `stint-sign-in=${"A".repeat(43)}` }))).toEqual(FAILED);
  expect(isSignedIn(await back({ code: "one", state }))).toBe(true);
  const replayed = await back({ code: "one", state });
  expect(outcomeOf(replayed)).toEqual(FAILED);
  expect(isSignedIn(replayed)).toBe(false);
});

test("a provider that is away is said to be, in the log, and is asked again", async () => {
  const away = await consoleAt(await freePort(), `http://127.0.0.1:${await freePort()}`);
  try {
    for (const times of [1, 2]) {
      expect(outcomeOf(await away.ask("/console/sign-in"))).toEqual(FAILED);
      await expect.poll(() => failuresOf(away).length).toBe(times);
    }
    expect(failuresOf(away)).toEqual(Array(2).fill(expect.stringContaining("ECONNREFUSED")));
  } finally {
    await away[Symbol.asyncDispose]();
  }
});

test("anybody may begin, and the provider is not asked for its metadata each time", async () => {
  await begun();
  const before = forger.told();
  for (let times = 0; times < 5; times += 1) await begun();
  expect(forger.told()).toBe(before);
});
