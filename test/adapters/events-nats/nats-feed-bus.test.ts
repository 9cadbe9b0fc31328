import { readFileSync } from "node:fs";
import { nkeys } from "@nats-io/transport-node";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { authenticatorOf, type NatsCredentials } from "../../../src/adapters/events-nats/nats-credentials.ts";
import { type NatsFeedBusOptions, natsFeedBus } from "../../../src/adapters/events-nats/nats-feed-bus.ts";
import { BrokerError } from "../../../src/domain/errors.ts";
import { madeCertificate } from "../../api/http/http-peers.ts";
import {
  buildNats,
  NATS_BUILD_MS_MAX,
  type NatsServer,
  natsIsMissing,
  startNats,
} from "../../conformance/nats/nats-server.ts";
import { feedBusContract } from "../../contract/feed-bus.ts";

const codeOf = (thrown: unknown) => (thrown instanceof BrokerError ? thrown.code : String(thrown));

function busAt(server: Pick<NatsServer, "address">, more: Partial<NatsFeedBusOptions> = {}) {
  const bus = natsFeedBus({
    ...{ servers: [server.address], tls: false, credentials: () => ({}), subject: "stint.example", replicas: 1 },
    ...more,
  });
  onTestFinished(() => bus.close());
  return bus;
}

describe.skipIf(natsIsMissing())("a bus on NATS", () => {
  beforeAll(buildNats, NATS_BUILD_MS_MAX);

  feedBusContract(async () => {
    const server = await startNats();
    const nats = await server.client();
    const heard: string[] = [];
    for (const kind of ["denied", "heartbeat"]) {
      nats.subscribe(`stint.example.${kind}`, {
        callback: (_, message) => void heard.push(`${kind} ${message.string()}`),
      });
    }
    await nats.flush();
    return { bus: busAt(server), heard };
  });

  test("what is kept is there after the server was killed", async () => {
    const server = await startNats();
    const bus = busAt(server);
    const { last } = await bus.places();
    const place = await bus.append("denied", "a", last);
    await server.restart();
    await expect.poll(() => bus.read(place).catch(() => undefined)).toEqual({ place, text: "a" });
  });

  test("a server that comes back without the stream is given another", async () => {
    const server = await startNats();
    const bus = busAt(server);
    await bus.append("denied", "a", (await bus.places()).last);
    await server.restart(true);
    await expect.poll(() => bus.places().catch(() => undefined)).toEqual({ first: undefined, last: 0 });
  });

  test("while there is no server each question fails, and heartbeats are not kept for later", async () => {
    const server = await startNats();
    const bus = busAt(server);
    await bus.places();
    await server.kill();
    await expect.poll(() => bus.places().then(() => "", codeOf)).toBe("NOT_SERVING");
    for (let beat = 0; beat < 100; beat += 1) bus.tell(`${beat}`);
    await server.restart();
    const nats = await server.client();
    const heard: string[] = [];
    nats.subscribe("stint.example.heartbeat", { callback: (_, message) => void heard.push(message.string()) });
    await nats.flush();
    await expect.poll(() => bus.places().catch(() => undefined)).toBeDefined();
    bus.tell("now");
    await expect.poll(() => heard).toEqual(["now"]);
  });

  test("a server that does not answer is given up within seconds", async () => {
    const server = await startNats();
    const bus = busAt(server);
    await bus.places();
    server.process().kill("SIGSTOP");
    onTestFinished(() => void server.process().kill("SIGCONT"));
    await expect(bus.append("denied", "a", 0)).rejects.toMatchObject({ code: "NOT_SERVING" });
    server.process().kill("SIGCONT");
    await expect.poll(() => bus.places().catch(() => undefined)).toBeDefined();
  });

  test("a server without TLS is refused where TLS is asked for", async () => {
    const server = await startNats();
    await expect(busAt(server, { tls: true }).places()).rejects.toMatchObject({ code: "NOT_SERVING" });
  });

  test("a server is known by the CA that is configured, and knows the broker by its certificate", async () => {
    const { certificate, privateKey, pem } = madeCertificate(",DNS:localhost");
    const files = `cert_file: "${certificate}", key_file: "${privateKey}", ca_file: "${certificate}"`;
    const server = await startNats(`tls { ${files}, verify: true }`);
    const client = { cert: pem, key: readFileSync(privateKey, "utf8") };
    const asked = (credentials: NatsCredentials) =>
      // By its address the library would know it by another name.
      busAt(
        { address: server.address.replace("127.0.0.1", "localhost") },
        { tls: true, credentials: () => credentials },
      )
        .places()
        .then(({ last }) => last, codeOf);
    expect(await asked({ ca: pem, client })).toBe(0);
    expect(await asked({ ca: pem })).toBe("NOT_SERVING");
    expect(await asked({ client })).toBe("NOT_SERVING");
    expect(
      await busAt(server)
        .places()
        .then(() => "", codeOf),
    ).toBe("NOT_SERVING");
  });

  test("logs in by the seed of an NKey, as it is in the file when the connection is made", async () => {
    const [user, other] = [nkeys.createUser(), nkeys.createUser()];
    const server = await startNats(`authorization { users: [{ nkey: "${user.getPublicKey()}" }] }`);
    const seedOf = (pair: typeof user) => Buffer.from(pair.getSeed()).toString();
    let seed = seedOf(other);
    const bus = busAt(server, { credentials: () => ({ login: { kind: "nkey", seed } }) });
    expect(await bus.places().then(() => "", codeOf)).toBe("NOT_SERVING");
    seed = seedOf(user);
    expect(await bus.places()).toEqual({ first: undefined, last: 0 });
  });

  test.for([
    { by: "password", login: { kind: "password", user: "stint", password: "right" }, isTaken: true },
    { by: "a wrong password", login: { kind: "password", user: "stint", password: "wrong" }, isTaken: false },
  ] as const)("logs in by $by: $isTaken", async ({ login, isTaken }) => {
    const server = await startNats('authorization { user: "stint", password: "right" }');
    const asked = busAt(server, { credentials: () => ({ login }) }).places();
    if (isTaken) expect(await asked).toEqual({ first: undefined, last: 0 });
    else await expect(asked).rejects.toMatchObject({ code: "NOT_SERVING" });
  });
});

test("a file of credentials shows its JWT, and signs what the server asks with its seed", async () => {
  const user = nkeys.createUser();
  const part = (name: string, text: string) => `-----BEGIN ${name}-----\n${text}\n------END ${name}------\n`;
  const text = part("NATS USER JWT", "a.b.c") + part("USER NKEY SEED", Buffer.from(user.getSeed()).toString());
  const shown = authenticatorOf(() => ({ kind: "credentials", text }))("nonce");
  expect(shown).toMatchObject({ jwt: "a.b.c", nkey: user.getPublicKey() });
  const { sig } = shown as { readonly sig: string };
  expect(user.verify(Buffer.from("nonce"), Buffer.from(sig, "base64url"))).toBe(true);
});
