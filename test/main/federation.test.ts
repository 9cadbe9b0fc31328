import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { createLog } from "../../src/adapters/log-pino/log-pino.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import { parseTrustDomain } from "../../src/domain/spiffe-id.ts";
import { openFederation } from "../../src/main/federation.ts";
import { keepFilesRenewed } from "../../src/main/renewed-files.ts";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import { madeCertificate } from "../api/http/http-peers.ts";
import { runStint } from "../cli/running.ts";
import { ports } from "../contract/ledger-world.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { FOREIGN } from "../federation/foreign-bundle.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";

const FAULT = "error";

test("a broker whose ledger can't say with whom it federates goes on without, and says so to whoever asks", async () => {
  const given = ports();
  const store = await openMemoryLedger(given);
  onTestFinished(() => store.close());
  const log = createLog({ level: "silent" });
  const files = keepFilesRenewed({ clock: given.clock, log });
  onTestFinished(() => files.stop());
  const federation = await openFederation(
    { trustDomain: parseTrustDomain("example.org"), federation: {} },
    {
      ...given,
      ownAuthorities: () => [],
      ledger: store.ledger,
      projections: {
        federations: () => Promise.reject(new BrokerError("LEDGER_UNAVAILABLE", "the ledger can't be read")),
      },
    },
    { log, files },
  );
  expect(federation.of(FOREIGN)).toBeUndefined();
  const refusal = expect.objectContaining({ code: "NOT_SERVING" });
  expect(() => federation.list()).toThrow(refusal);
  expect(() => federation.find(FOREIGN)).toThrow(refusal);
  await expect(federation.refresh(FOREIGN)).rejects.toEqual(refusal);
  federation.stop();
});

describe("web_roots", () => {
  /** A broker with a certificate of a CA that nobody knows, and one that is told where that CA's certificate is. */
  async function toldBy(webRoots: (certificate: string, directory: string) => string): Promise<Daemon[]> {
    const { certificate, privateKey } = madeCertificate();
    const publisher = await startDaemon({
      config: { trust_domain: FOREIGN, http: { listen: "127.0.0.1:0", tls: { certificate, private_key: privateKey } } },
    });
    onTestFinished(() => publisher[Symbol.asyncDispose]());
    const asker = await startDaemon({
      config: (directory) => ({ federation: { web_roots: webRoots(certificate, directory) } }),
    });
    onTestFinished(() => asker[Symbol.asyncDispose]());
    return [publisher, asker];
  }

  async function createdBy([publisher, asker]: Daemon[]) {
    const url = `${publisher?.httpUrl}/spiffe-bundle.json`;
    const args = ["--operator-socket", asker?.operatorSocket ?? "", "federation", "create", FOREIGN];
    const { status, err } = await runStint([...args, "--profile", "https_web", "--url", url]);
    return { status, err, faults: asker?.log.filter(({ level }) => level === FAULT) };
  }

  test("of a file with several certificates all count", async () => {
    const daemons = await toldBy((certificate, directory) => {
      const file = join(directory, "roots.pem");
      writeFileSync(file, `# of the company\n${madeCertificate().pem}\n${readFileSync(certificate, "utf8")}`);
      return file;
    });
    expect(await createdBy(daemons)).toEqual({
      status: 0,
      err: "stint: the bundle endpoint answered, and its bundle is in force\n",
      faults: [],
    });
  });

  test("that come while the broker runs count from the next hangup on", async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const daemons = await toldBy((certificate, directory) => {
      resolve(certificate);
      return join(directory, "roots.pem");
    });
    const asker = daemons[1];
    copyFileSync(await promise, join(asker?.directory ?? "", "roots.pem"));
    asker?.child.kill("SIGHUP");
    await eventually(() => asker?.log.map(({ msg }) => msg)).toContain("reloaded");
    expect(await createdBy(daemons)).toMatchObject({
      status: 0,
      err: "stint: the bundle endpoint answered, and its bundle is in force\n",
    });
  });

  test.for([
    { what: "are not there", text: undefined },
    { what: "are no certificates", text: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" },
    { what: "are empty", text: "" },
  ])(
    "that $what keep no broker from starting: its log says so, and endpoints that need them are refused",
    async ({ text }) => {
      const daemons = await toldBy((_certificate, directory) => {
        const file = join(directory, "roots.pem");
        if (text !== undefined) writeFileSync(file, text);
        return file;
      });
      const { status, err, faults } = await createdBy(daemons);
      expect(status).toBe(0);
      expect(err).toMatch(
        /^stint: the bundle endpoint shows a certificate that none of the web's authorities issued; /,
      );
      expect(faults).toEqual([expect.objectContaining({ msg: expect.stringMatching(/^federation\.web_roots: /) })]);
    },
  );
});
