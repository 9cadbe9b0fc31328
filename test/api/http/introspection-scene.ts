import { createHash, generateKeyPairSync, type KeyObject } from "node:crypto";
import { request } from "node:https";
import { Hono } from "hono";
import { onTestFinished } from "vitest";
import { jwtEs256Format } from "../../../src/adapters/jwt-es256/jwt-es256.ts";
import { createCedarEngine } from "../../../src/adapters/policy-cedar/cedar-engine.ts";
import { systemRandomness } from "../../../src/adapters/system/system-randomness.ts";
import { x509DerFormat } from "../../../src/adapters/x509-der/x509-der.ts";
import type { TlsIdentity } from "../../../src/api/endpoint/tls-endpoint.ts";
import { authzenForms, authzenRoutes } from "../../../src/api/http/authzen-routes.ts";
import { introspectionForms, introspectionRoutes } from "../../../src/api/http/introspection-routes.ts";
import { revocationForms, revocationRoutes } from "../../../src/api/http/revocation-routes.ts";
import { ssfForms, ssfRoutes } from "../../../src/api/http/ssf-routes.ts";
import { startHttp } from "../../../src/api/http/start-http.ts";
import {
  callerBySvid,
  operatorBySvid,
  receiverBySvid,
  verifierBySvid,
} from "../../../src/api/http/verifier-by-svid.ts";
import { attestSvid } from "../../../src/attest/attest-svid.ts";
import { introspect } from "../../../src/audit/introspect.ts";
import { type AskerPorts, askerOf, verifiersOnly } from "../../../src/check/asker.ts";
import { createCallRate } from "../../../src/check/call-rate.ts";
import { type CheckPorts, checkCall } from "../../../src/check/check-call.ts";
import { revokeToken } from "../../../src/close/revoke-token.ts";
import { createRetries } from "../../../src/decide/decide-again.ts";
import { createDenialRecorder } from "../../../src/decide/record-denial.ts";
import type { Authority } from "../../../src/domain/authority.ts";
import { parseSpiffeBundle, spiffeBundle } from "../../../src/domain/bundle.ts";
import { denial } from "../../../src/domain/errors.ts";
import { ID_RANDOM_BYTES, newJti, newSerialNumber, SERIAL_NUMBER_RANDOM_BYTES } from "../../../src/domain/ids.ts";
import type { RegistrationEntry } from "../../../src/domain/registration-entry.ts";
import type { Step } from "../../../src/domain/step.ts";
import { addSeconds, microsOf, secondsOf, type UnixSeconds } from "../../../src/domain/time.ts";
import { keepToolDirectory } from "../../../src/follow/tool-directory.ts";
import { keepPolicyDirectory } from "../../../src/policy/policy-directory.ts";
import type { SvidFacts } from "../../../src/ports/svid-format.ts";
import { createEntryIndex } from "../../../src/registry/entry-index.ts";
import { createStreamManagement } from "../../../src/signals/manage-streams.ts";
import { keepOutboxes } from "../../../src/signals/outboxes.ts";
import { pollEvents } from "../../../src/signals/poll-events.ts";
import { verificationKeysOf } from "../../../src/verify/verification-keys.ts";
import { verifyX509Svid, x509AuthoritiesOf } from "../../../src/verify/x509-svid.ts";
import { pemOf } from "../../authority/crl-scene.ts";
import { done, MCP, OPERATOR, present, processOf, type World, worldOf } from "../../contract/ledger-world.ts";
import { openMemoryLedger } from "../../memory/memory-ledger.ts";
import { memorySigner } from "../../memory/memory-signer.ts";
import { memoryVault } from "../../memory/memory-vault.ts";
import { virtualClock } from "../../memory/virtual-clock.ts";
import { recordedOf, TRUST_DOMAIN } from "../../samples/credentials.ts";
import { type Answer, madeCertificate } from "./http-peers.ts";

/** The user of all agents, and how long a call waits for its approval. */
export const REQUESTER_UID = 1_001;
export const APPROVAL_SECONDS = 60;

export const ISSUER = "https://stint.example.org";

/** A client certificate with its key, PEM. */
export type Client = { readonly cert: string; readonly key: string };

export type IntrospectionScene = Awaited<ReturnType<typeof introspectionScene>>;

/** A ledger with steps and their tokens, and the listener at which verifiers ask about them. All of it is real. */
export async function introspectionScene(start = Math.floor(Date.now() / 1_000) as UnixSeconds) {
  const clock = virtualClock(start);
  const randomness = systemRandomness();
  const store = await openMemoryLedger({ clock, randomness });
  const world: World = worldOf(store, { clock, randomness });
  const signer = memorySigner({ trustDomain: TRUST_DOMAIN, randomness });
  const validity = { notBefore: addSeconds(start, -60), expiresAt: addSeconds(start, 86_400) };
  const ca = await signer.create("x509-svid", validity);
  const jwtKey = await signer.create("jwt-svid", validity);
  const entries = createEntryIndex();
  const { x509, jwtKeys } = parseSpiffeBundle(JSON.stringify(spiffeBundle([ca, jwtKey], 1, 60)));
  const x509Bundle = { trustDomain: TRUST_DOMAIN, authorities: x509AuthoritiesOf(x509) };
  const jwtBundle = { trustDomain: TRUST_DOMAIN, issuer: ISSUER, keys: verificationKeysOf(jwtKeys) };
  let isDoubted = false;

  const bySvid = {
    identify: (chain: readonly Uint8Array[]) =>
      verifyX509Svid(chain, { bundles: new Map([[TRUST_DOMAIN, x509Bundle]]), now: secondsOf(clock.now()) }),
    attest: (identity: TlsIdentity) =>
      attestSvid(
        { identity, process: undefined },
        { entries, attestor: { attest: () => Promise.reject(new TypeError("no process is known of it")) } },
      ),
    credentials: store.credentials,
    clock,
  };
  const introspection = introspectionRoutes({
    verifierOf: verifierBySvid(bySvid),
    introspect: (token, verifier) =>
      introspect(token, verifier, {
        credentials: store.credentials,
        bundles: () => new Map([[TRUST_DOMAIN, jwtBundle]]),
        ledgerIsDoubted: () => isDoubted,
        clock,
      }),
  });
  const engine = createCedarEngine();
  const policies = await keepPolicyDirectory({
    ledger: store.ledger,
    projections: store.projections,
    policies: store.policies,
    engine,
    failed(thrown) {
      throw thrown;
    },
  });
  const checking: CheckPorts & AskerPorts = {
    policies,
    engine,
    toolDirectory: await keepToolDirectory({ ledger: store.ledger, projections: store.projections }),
    retries: createRetries(),
    principals: memoryVault(randomness),
    bundles: () => new Map([[TRUST_DOMAIN, jwtBundle]]),
    ledger: store.ledger,
    credentials: store.credentials,
    steps: store.steps,
    callApprovals: store.callApprovals,
    // Whoever opens and executes steps here runs as this user.
    processes: { find: (pid) => ({ process: processOf(pid), uid: REQUESTER_UID, selectors: new Set() }) },
    approvalSeconds: APPROVAL_SECONDS,
    gate: {
      refusal: () => (isDoubted ? denial("NOT_SERVING", "the ledger can't be relied on at present") : undefined),
    },
    rate: createCallRate(clock),
    denials: createDenialRecorder({
      ledger: store.ledger,
      clock,
      isAgent: () => true,
      failed(thrown) {
        throw thrown;
      },
    }),
    entries,
    clock,
    random: randomness,
  };
  const authzen = authzenRoutes({
    callerOf: callerBySvid(bySvid),
    check: async (caller, request) =>
      checkCall(await askerOf(verifiersOnly(caller), request, checking), request, checking),
    clock,
    issuer: ISSUER,
  });
  const outboxes = await keepOutboxes({
    ...{ ledger: store.ledger, projections: store.projections, feed: store.feed, clock, issuer: ISSUER },
    entries: { byId: (entryId) => entries.all().find((one) => one.entryId === entryId) },
    onDenied: () => () => undefined,
    failed(thrown) {
      throw thrown;
    },
  });
  const eventsKey = await signer.create("events", validity);
  const ssf = ssfRoutes({
    receiverOf: receiverBySvid(bySvid),
    streams: createStreamManagement({ ledger: store.ledger, outboxes, clock, random: randomness }),
    poll: (stream, { entry }, request, gone) =>
      pollEvents(
        stream,
        entry.spiffeId,
        request,
        {
          ...{ outboxes, signer, clock, issuer: ISSUER, refused: () => undefined },
          authorities: { active: () => eventsKey },
        },
        gone,
      ),
    issuer: ISSUER,
  });
  const revocation = revocationRoutes({
    operatorOf: operatorBySvid(bySvid),
    revoke: (token, by) =>
      revokeToken(token, by, {
        ...{ ledger: store.ledger, history: store.history, credentials: store.credentials, clock },
        inForce: async () => undefined,
        disableEntry: () => Promise.reject(new TypeError("no entry is disabled here")),
      }),
  });
  const routes = new Hono().route("/", authzen).route("/", ssf).route("/", revocation).route("/", introspection);
  const files = madeCertificate();
  const failures: unknown[] = [];
  const listener = { host: "127.0.0.1", port: 0, hosts: [] };
  const failed = (thrown: unknown): void => void failures.push(thrown);
  const clients = { current: () => [pemOf("CERTIFICATE", present(ca.certificate))], onChange: () => () => undefined };
  const extras = {
    forms: new Map([
      ...introspectionForms(ISSUER),
      ...authzenForms(ISSUER),
      ...ssfForms(ISSUER),
      ...revocationForms(ISSUER),
    ]),
    clients,
  };
  const tls = { certificate: files.certificate, privateKey: files.privateKey };
  const secure = await startHttp({ ...listener, tls }, () => routes, failed, extras);
  const plain = await startHttp(listener, () => routes, failed, extras);
  onTestFinished(async () => {
    await Promise.all([secure.close(), plain.close(), engine.close()]);
    policies.following.end();
    await outboxes.stop();
    await store.close();
  });

  async function enter(entry: Promise<RegistrationEntry>): Promise<RegistrationEntry> {
    entries.put(await entry);
    return entry;
  }

  /** An X.509-SVID of an entry, recorded as the broker records it unless told otherwise. */
  async function clientOf(
    entry: RegistrationEntry,
    own: Partial<SvidFacts> & { readonly by?: Authority; readonly unrecorded?: true } = {},
  ): Promise<Client & { readonly serialNumber: string }> {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const now = secondsOf(clock.now());
    const serialNumber = newSerialNumber(randomness.bytes(SERIAL_NUMBER_RANDOM_BYTES));
    const { by: authority = ca } = own;
    const facts: SvidFacts = {
      spiffeId: entry.spiffeId,
      notBefore: addSeconds(now, -10),
      expiresAt: addSeconds(now, 300),
      authority,
      serialNumber,
      publicKey: publicKey.export({ type: "spki", format: "der" }),
      audiences: [],
      grant: [],
      ...own,
    };
    if (own.unrecorded === undefined) {
      const { entryId } = entry;
      const step = await world.open(await world.agent());
      const subject = { kind: "infrastructure", entryId } as const;
      const { authorityId } = authority;
      const { spiffeId, expiresAt } = facts;
      const record = world.record(step, { kind: "x509-svid", subject, serialNumber, authorityId, spiffeId, expiresAt });
      await world.ledger.perform(world.issueAct([record], { entryId }));
    }
    const format = x509DerFormat();
    const toBeSigned = format.toBeSigned(facts);
    const certificate = format.assemble(
      toBeSigned,
      await signer.signSvid(recordedOf("x509-svid", authority, toBeSigned)),
    );
    return { cert: pemOf("CERTIFICATE", certificate), key: pemKey(privateKey), serialNumber };
  }

  /** A JWT-SVID of a step, recorded unless told otherwise. */
  async function mint(
    step: Step,
    own: Partial<SvidFacts> & { readonly unrecorded?: true; readonly by?: Authority } = {},
  ): Promise<string> {
    const now = secondsOf(clock.now());
    const { by: authority = jwtKey } = own;
    const facts = {
      spiffeId: step.spiffeId,
      step,
      notBefore: addSeconds(now, -5),
      expiresAt: addSeconds(now, 120),
      jti: newJti(microsOf(now), randomness.bytes(ID_RANDOM_BYTES)),
      audiences: [MCP],
      grant: step.grant,
      authority,
      ...own,
    };
    const format = jwtEs256Format(ISSUER);
    const toBeSigned = format.toBeSigned(facts);
    if (own.unrecorded === undefined) {
      const toBeSignedSha256 = createHash("sha256").update(toBeSigned).digest("hex");
      const { jti, expiresAt, audiences } = facts;
      await world.issue(step, { jti, expiresAt, audiences, toBeSignedSha256 });
    }
    const signature = await signer.signSvid(recordedOf("jwt-svid", authority, toBeSigned));
    return Buffer.from(format.assemble(toBeSigned, signature)).toString("latin1");
  }

  return {
    clock,
    world,
    store,
    signer,
    entries,
    validity,
    /** By which single calls are decided here. */
    checking,
    failures,
    url: secure.url,
    plainUrl: plain.url,
    /** PEM, and the path of its file. */
    serverCa: files.pem,
    serverCaFile: files.certificate,
    verifier: () => enter(world.verifier()),
    runtime: () => enter(world.runtime()),
    operator: (role: "admin" | "viewer") =>
      enter(world.enter({ kind: "operator", name: world.name(), selectors: ["unix:uid:1004"], role })),
    clientOf,
    mint,
    async takeBack(credential: { readonly jti: string } | { readonly serialNumber: string }) {
      const order = { act: "revoke-credential", credential, reason: "keyCompromise", by: OPERATOR } as const;
      done(await world.ledger.perform({ ...order, now: clock.now() }));
    },
    doubt(doubted: boolean) {
      isDoubted = doubted;
    },
  };
}

function pemKey(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}

export type Posted = {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly maxVersion?: "TLSv1.2" | "TLSv1.3";
};

/** Sends a form, by default one with this token, on a connection of its own. */
export function post(
  scene: Pick<IntrospectionScene, "url" | "serverCa">,
  client: Client | undefined,
  token: string,
  own: Posted = {},
): Promise<Answer> {
  const { path = "/introspect", method = "POST", body = new URLSearchParams({ token }).toString() } = own;
  return new Promise((resolve, reject) => {
    const sent = request(
      `${scene.url}${path}`,
      {
        ...client,
        agent: false,
        ca: scene.serverCa,
        method,
        maxVersion: own.maxVersion ?? "TLSv1.3",
        headers: {
          "content-type": "application/x-www-form-urlencoded",
          "content-length": Buffer.byteLength(body),
          ...own.headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          const { statusCode: status = 0, headers } = response;
          resolve({ status, headers, body: Buffer.concat(chunks).toString() });
        });
        response.on("error", reject);
      },
    );
    sent.on("error", reject);
    sent.end(method === "GET" || method === "HEAD" ? undefined : body);
  });
}
