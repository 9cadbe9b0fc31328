import { generateKeyPairSync } from "node:crypto";
import { deflateSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { withoutCredentials } from "../../../src/sdk/credential-scan/without-credentials.ts";
import { findCredentials } from "../../../src/sdk/testing/index.ts";

const TOKEN = `${Buffer.from('{"alg":"ES256","typ":"JWT"}').toString("base64url")}.eyJzdWIiOiJhIn0.${"s".repeat(86)}`;
const SECRET = 'sk-live "0123456789/+';
const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const PEM = privateKey.export({ type: "pkcs8", format: "pem" }) as string;
const DER = privateKey.export({ type: "pkcs8", format: "der" });

const ENCODINGS: Readonly<Record<string, (text: string) => unknown>> = {
  "as it is": (text) => text,
  JSON: (text) => JSON.stringify(text),
  "JSON in JSON": (text) => JSON.stringify(JSON.stringify({ text })),
  URL: encodeURIComponent,
  "URL, all of it": (text) => [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join(""),
  form: (text) => new URLSearchParams({ text }).toString(),
  hex: (text) => Buffer.from(text).toString("hex"),
  Base64: (text) => Buffer.from(text).toString("base64"),
  "Base64 behind a path": (text) => `data:text/plain;base64/${Buffer.from(text).toString("base64")}`,
  Base64url: (text) => Buffer.from(text).toString("base64url"),
  "Base64 of JSON": (text) => Buffer.from(JSON.stringify({ text })).toString("base64"),
  "Base64 of JSON in another script": (text) => Buffer.from(JSON.stringify({ été: text })).toString("base64"),
  "Base64 in Base64": (text) => Buffer.from(Buffer.from(text).toString("base64")).toString("base64"),
  bytes: (text) => Buffer.from(text),
  "bytes in JSON": (text) => JSON.parse(JSON.stringify(Buffer.from(text))),
  "bytes of a wider array": (text) => {
    const bytes = Buffer.alloc(Math.ceil(text.length / 4) * 4, " ");
    bytes.write(text);
    return new Uint32Array(new Uint8Array(bytes).buffer);
  },
  gzip: (text) => gzipSync(text),
  zlib: (text) => deflateSync(text),
  "gzip in Base64 in JSON": (text) => JSON.stringify({ state: gzipSync(JSON.stringify({ text })).toString("base64") }),
};

describe.for(Object.entries(ENCODINGS))("in the encoding: %s", ([, encoded]) => {
  test("a token is found, wherever it begins", () => {
    const around = fc.string({ unit: "grapheme-ascii", maxLength: 6 }).filter((text) => !/[\w.-]$/.test(text));
    fc.assert(
      fc.property(around, (before) => {
        expect(findCredentials(encoded(`${before}${TOKEN} `))).toMatchObject([{ kind: "jwt" }]);
      }),
      { numRuns: 30 },
    );
  });

  test("a secret that was given is found, and only then", () => {
    expect(findCredentials(encoded(`key: ${SECRET}`), { secrets: [SECRET] })).toMatchObject([{ kind: "given" }]);
    expect(findCredentials(encoded(`key: ${SECRET}`), { secrets: ["another one"] })).toEqual([]);
  });

  test("a private key is found", () => {
    expect(findCredentials(encoded(PEM))).toMatchObject([{ kind: "private-key" }]);
  });
});

test("a finding says what has to be undone to see it", () => {
  const state = JSON.stringify({ state: gzipSync(TOKEN).toString("base64") });
  expect(findCredentials(state)).toEqual([{ path: "$", kind: "jwt", encodings: ["Base64", "gzip"] }]);
});

test("what stands there as it is, is told as that, whatever else it can be read from", () => {
  const both = `${Buffer.from(TOKEN).toString("base64")} ${TOKEN}`;
  expect(findCredentials(both)).toEqual([{ path: "$", kind: "jwt", encodings: [] }]);
});

test("encoded texts are found among bytes that are no text", () => {
  const bytes = Buffer.concat([Buffer.of(0xff, 0xfe, 0x00), Buffer.from(Buffer.from(TOKEN).toString("base64"))]);
  expect(findCredentials({ bytes })).toEqual([{ path: "$.bytes", kind: "jwt", encodings: ["Base64"] }]);
});

test("a key of Web Crypto is found, and a public one is not", async () => {
  const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
  expect(findCredentials(pair)).toEqual([{ path: "$.privateKey", kind: "private-key", encodings: [] }]);
});

class Client {
  readonly headers = new Headers({ authorization: `Bearer ${TOKEN}` });
}

describe("at", () => {
  const cycle: Record<string, unknown> = { token: TOKEN };
  cycle["self"] = cycle;
  const hidden = Object.defineProperty({}, "token", { value: TOKEN, enumerable: false });
  test.for<readonly [string, unknown]>([
    ["$.steps[1].content", { steps: [{}, { content: TOKEN }] }],
    ['$["a key"]', { "a key": TOKEN }],
    ["$[a key]", { [TOKEN]: 1 }],
    ["$.key(0)", new Map([[TOKEN, 1]])],
    [
      "$.entry(1)",
      new Map([
        ["a", ""],
        ["b", TOKEN],
      ]),
    ],
    ["$.entry(0)", new Set([TOKEN])],
    ["$.token", cycle],
    ["$.token", hidden],
    ['$["Symbol(state)"]', { [Symbol("state")]: TOKEN }],
    ["$", Symbol(TOKEN)],
    ['$.headers.get("authorization")', new Client()],
    ["$.toString()", new URL(`https://example.com/?access_token=${TOKEN}`)],
    ["$.url", new Request(`https://example.com/?access_token=${TOKEN}`)],
    ['$.headers.get("set-cookie")', new Response("", { headers: { "set-cookie": TOKEN } })],
    ["$.message", Object.assign(new Error(TOKEN), { stack: "" })],
    ["$.cause.token", Object.assign(new Error("no", { cause: { token: TOKEN } }))],
    ["$.errors[0]", new AggregateError([TOKEN])],
    ["$.last", Object.assign(() => undefined, { last: TOKEN })],
  ])("%s", ([path, value]) => {
    expect(findCredentials(value).map((finding) => finding.path)).toEqual([path]);
  });
});

describe("a private key is found", () => {
  test.for<readonly [string, unknown]>([
    ["of Node.js", privateKey],
    ["in DER", DER],
    ["in DER of the older form", privateKey.export({ type: "sec1", format: "der" })],
    ["in DER in Base64", DER.toString("base64")],
    ["as a JWK", privateKey.export({ format: "jwk" })],
    ["as a JWK in a text", JSON.stringify({ keys: [privateKey.export({ format: "jwk" })] })],
    ["that is symmetric, as a JWK", { kty: "oct", k: "c2VjcmV0LXNlY3JldA" }],
  ])("%s", ([, value]) => {
    expect(findCredentials(value)).toMatchObject([{ kind: "private-key" }]);
  });
});

test("what is public or has nothing to do with credentials is not found", () => {
  const jwk = publicKey.export({ format: "jwk" });
  const plain = [publicKey, jwk, JSON.stringify(jwk), "a.b.c", "eyJhbGciOiJFUzI1NiJ9", "file.name.with.dots-and_more"];
  expect(
    findCredentials([...plain, Buffer.alloc(1_000, 0x30), "x".repeat(100_000), 1n, null, undefined, Symbol.iterator]),
  ).toEqual([]);
  fc.assert(fc.property(fc.object(), (value) => findCredentials(value).length === 0));
});

test("nothing is called or run by searching", () => {
  let calls = 0;
  const value = {
    get token() {
      calls += 1;
      return TOKEN;
    },
    toJSON() {
      calls += 1;
    },
    *[Symbol.iterator]() {
      calls += 1;
      yield TOKEN;
    },
  };
  const count = () => {
    calls += 1;
    return undefined;
  };
  const noPrototype = () => {
    calls += 1;
    return null;
  };
  const proxy = new Proxy(value, { get: count, getOwnPropertyDescriptor: count, getPrototypeOf: noPrototype });
  expect(findCredentials(proxy)).toEqual([]);
  expect(findCredentials(value)).toEqual([]);
  expect(calls).toBe(0);
});

test("a finding shows nothing of what was found", () => {
  const found = findCredentials({ [`${SECRET} `]: { [TOKEN]: TOKEN } }, { secrets: [SECRET] });
  expect(found).toHaveLength(3);
  const text = JSON.stringify(found);
  expect([TOKEN, JSON.stringify(SECRET).slice(1, -1)].some((secret) => text.includes(secret))).toBe(false);
});

test("of a text with private keys nothing of them is shown, and the rest is", () => {
  const cut = PEM.slice(0, PEM.length / 2);
  expect(withoutCredentials(`a ${PEM} b ${PEM} c`)).toBe("a [credential]\n b [credential]\n c");
  expect(withoutCredentials(`a ${cut}`)).not.toContain(cut.slice(-20));
  expect(withoutCredentials(`a ${cut} ${TOKEN}`)).toBe("a [credential]");
  expect(withoutCredentials(`a ${Buffer.from(TOKEN).toString("base64")}`)).toBe("[a text that held a credential]");
});

test("a token is found right behind what could belong to it", () => {
  for (const before of ["v1.", "token", "a.b.c.d.", "eyJ", "ey.ey.", "prefixes.of.", `${TOKEN}.`, "-"]) {
    expect(findCredentials(`${before}${TOKEN}`), before).toMatchObject([{ kind: "jwt" }]);
    expect(withoutCredentials(`${before}${TOKEN} `), before).not.toContain("eyJzdWIiOiJhIn0");
  }
});

test.for([
  "ey",
  "eyJ",
  "a.",
  "-----BEGIN PRIVATE KEY-----",
  "-----BEGIN PRIVATE KEY----- -----END ",
  "%7b",
  "\\u0065",
  '"kty":"',
])("a long text of %s without a token is read through", (piece) => {
  // Of quadratic time it would be hours.
  const found = findCredentials(piece.repeat(2_000_000 / piece.length));
  expect(found.filter(({ kind }) => kind === "jwt")).toEqual([]);
});

test("a secret that is too short to mean anything is refused", () => {
  expect(() => findCredentials("x", { secrets: ["x"] })).toThrow(RangeError);
});
