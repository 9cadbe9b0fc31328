import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { externalPolicyOf, externalPolicySection } from "../../src/config/external-policy-section.ts";
import { NO_DATA_CLASSES } from "../../src/domain/data-classes.ts";
import { engineWithExternal, opaFiles } from "../../src/main/external-policy.ts";
import { keepFilesRenewed } from "../../src/main/renewed-files.ts";
import type { Log } from "../../src/ports/log.ts";
import type { PolicyEngine } from "../../src/ports/policy-engine.ts";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import { ofToday, shown, webAuthority, webCertificateFor } from "../adapters/bundle-endpoint/endpoint-scene.ts";
import { ALLOW_ONE, inOpasPlace } from "../adapters/policy-opa/opa-scene.ts";
import { virtualClock } from "../memory/virtual-clock.ts";
import { requestOf } from "../samples/policy-request.ts";
import { ecPair, pemOf } from "../verify/certificate-forge.ts";
import { NOW } from "../verify/token-forge.ts";

function scene() {
  const directory = mkdtempSync(join(tmpdir(), "stint-opa-files-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const clock = virtualClock(NOW);
  const log = { fault: () => undefined, info: () => undefined } as unknown as Log;
  const files = keepFilesRenewed({ clock, log });
  onTestFinished(() => files.stop());
  return {
    ports: { clock, log, files },
    clock,
    /** @returns the file's path. */
    write(name: string, content: string | Buffer, mode = 0o600): string {
      const path = join(directory, name);
      writeFileSync(path, content);
      chmodSync(path, mode);
      return path;
    },
    directory,
  };
}

const config = (opa: object) => externalPolicyOf(externalPolicySection.parse({ opa }));

/** An engine of the broker's own that denies, and tells what became of it. */
function denying() {
  const calls: string[] = [];
  const engine: PolicyEngine = {
    check: async () => [],
    load: async () => undefined,
    unload: () => undefined,
    async evaluate(_root, { elements }) {
      calls.push("evaluate");
      return {
        whole: { effect: "allow", policies: [] },
        elements: elements.map(() => ({ effect: "deny", policies: ["own"] })),
      };
    },
    close: async () => void calls.push("close"),
  };
  return { engine, calls };
}

test("OPA is asked beside the broker's own engine, and both have to allow", async () => {
  const { ports } = scene();
  const place = await inOpasPlace((_, response) => response.end(ALLOW_ONE));
  const { engine, calls } = denying();
  const both = await engineWithExternal(config({ url: place.url }), engine, ports);
  onTestFinished(() => both.close());
  expect(await both.evaluate("root", requestOf())).toEqual({
    whole: { effect: "allow", policies: [] },
    elements: [{ effect: "deny", policies: ["own"] }],
  });
  expect([calls, place.asked.length]).toEqual([["evaluate"], 1]);
});

test("where OPA decides in its stead, the broker's own engine is let go of and asked nothing", async () => {
  const { ports } = scene();
  const place = await inOpasPlace((_, response) => response.end(ALLOW_ONE));
  const { engine, calls } = denying();
  const alone = await engineWithExternal(config({ url: place.url, instead_of_cedar: true }), engine, ports);
  onTestFinished(() => alone.close());
  await alone.load("root", { policies: [], dataClasses: NO_DATA_CLASSES });
  expect(await alone.evaluate("root", requestOf())).toMatchObject({ elements: [{ effect: "allow" }] });
  expect(calls).toEqual(["close"]);
});

test("OPA is shown the token of the file, and the new one once the file has changed", async () => {
  const { ports, clock, write } = scene();
  const place = await inOpasPlace((_, response) => response.end(ALLOW_ONE));
  const token = write("token", "first\n");
  const engine = await engineWithExternal(config({ url: place.url, token_file: token }), denying().engine, ports);
  onTestFinished(() => engine.close());
  await engine.evaluate("root", requestOf());
  write("token", "second-token\n");
  for (let looks = 0; looks < 3; looks += 1) {
    clock.advance(1_000);
    await eventually(clock.pending).toBe(1);
  }
  await engine.evaluate("root", requestOf());
  expect(place.asked.map(({ headers }) => headers["authorization"])).toEqual(["Bearer first", "Bearer second-token"]);
});

test("over TLS, OPA and the broker recognise each other by the files", async () => {
  const { ports, write } = scene();
  const ca = pemOf("CERTIFICATE", webAuthority.der);
  const place = await inOpasPlace((_, response) => response.end(ALLOW_ONE), {
    ...shown(webCertificateFor("localhost"), webAuthority),
    ca,
    requestCert: true,
  });
  const { cert, key } = shown(webCertificateFor("broker.example")) as { readonly cert: string; readonly key: string };
  const tls = { ca: write("ca.pem", ca), certificate: write("tls.crt", cert), private_key: write("tls.key", key) };
  const files = opaFiles(config({ url: place.url, tls }).opa);
  expect(files.paths).toEqual([tls.ca, tls.certificate, tls.private_key]);
  expect(files.lifeOf?.(await files.read())).toEqual({
    notBefore: ofToday.notBefore,
    expiresAt: ofToday.notAfter + 1,
  });
  const engine = await engineWithExternal(
    config({ url: place.url, tls, instead_of_cedar: true }),
    denying().engine,
    ports,
  );
  onTestFinished(() => engine.close());
  expect(await engine.evaluate("root", requestOf())).toMatchObject({ whole: { effect: "allow" } });
});

describe("the broker does not start with", () => {
  const { cert, key } = shown(webCertificateFor("broker.example")) as { readonly cert: string; readonly key: string };
  const otherKey = ecPair().privateKey.export({ type: "pkcs8", format: "pem" }) as string;
  const client = ({ write }: ReturnType<typeof scene>, of: { readonly key?: string; readonly mode?: number }) => ({
    tls: { certificate: write("tls.crt", cert), private_key: write("tls.key", of.key ?? key, of.mode) },
  });

  test.for<{ what: string; files: (made: ReturnType<typeof scene>) => object; says: string }>([
    { what: "no token", files: ({ directory }) => ({ token_file: join(directory, "token") }), says: "ENOENT" },
    { what: "an empty token", files: ({ write }) => ({ token_file: write("token", "\n") }), says: "no bearer token" },
    {
      what: "a token that would end its header",
      files: ({ write }) => ({ token_file: write("token", "a\r\nx: y\n") }),
      says: "no bearer token on a line of its own",
    },
    {
      what: "a token that others may read",
      files: ({ write }) => ({ token_file: write("token", "t", 0o640) }),
      says: "has mode 0640, and must have 0600",
    },
    {
      what: "a token behind a link",
      files({ write, directory }) {
        symlinkSync(write("real", "t"), join(directory, "link"));
        return { token_file: join(directory, "link") };
      },
      says: "a symbolic link",
    },
    {
      what: "a CA file without a CA",
      files: ({ write }) => ({ tls: { ca: write("ca.pem", "") } }),
      says: "ca.pem: no certificate in PEM",
    },
    {
      what: "a key that everybody may read",
      files: (made) => client(made, { mode: 0o644 }),
      says: "open to everybody",
    },
    {
      what: "another certificate's key",
      files: (made) => client(made, { key: otherKey }),
      says: "no certificate and its",
    },
  ])("$what", async ({ files, says }) => {
    const made = scene();
    const opa = config({ url: "https://opa.example.org", ...files(made) });
    const refused: unknown = await engineWithExternal(opa, denying().engine, made.ports).catch((thrown) => thrown);
    const { message, detail = "" } = refused as { readonly message: string; readonly detail?: string };
    expect(`${message}: ${detail}`).toContain(says);
    expect(`${message}: ${detail}`).not.toContain("x: y");
  });
});
