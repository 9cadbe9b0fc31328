import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { httpsBundleEndpoint } from "../../src/adapters/bundle-endpoint/bundle-endpoint.ts";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import { type Federation, keepFederation } from "../../src/federation/federation.ts";
import { ENDPOINT_ID, endpoint, shown, svidFor } from "../adapters/bundle-endpoint/endpoint-scene.ts";
import { OPERATOR } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { virtualClock } from "../memory/virtual-clock.ts";
import { authority, type Forged } from "../verify/certificate-forge.ts";
import { NOW } from "../verify/token-forge.ts";
import { OWN, spiffe } from "./federation-scene.ts";
import { FOREIGN, published, x509Key } from "./foreign-bundle.ts";

// A foreign trust domain that rotates its authority while it is asked over real TLS.

const [first, second, third] = [authority(), authority(), authority()];

let federation: Federation;
/** Shows a certificate of that authority from now on, and publishes these. */
let serve: (by: Forged, sequence: number, ...authorities: readonly Forged[]) => void;
let url: string;

beforeEach(async () => {
  const clock = virtualClock(NOW);
  const randomness = systemRandomness();
  const store = await openMemoryLedger({ clock, randomness });
  federation = await keepFederation({
    trustDomain: OWN,
    ownAuthorities: () => [],
    ledger: store.ledger,
    projections: store.projections,
    endpoint: httpsBundleEndpoint({ clock }),
    clock,
    randomness,
    leftOut: () => undefined,
    failed: () => undefined,
  });
  onTestFinished(async () => {
    federation.stop();
    await store.close();
  });
  let document = "";
  const foreign = await endpoint((_, response) => response.end(document), shown(svidFor(ENDPOINT_ID, first)));
  url = foreign.url;
  serve = (by, sequence, ...authorities) => {
    foreign.server.setSecureContext(shown(svidFor(ENDPOINT_ID, by)));
    document = published({ keys: authorities.map(x509Key), sequence });
  };
  serve(first, 1, first);
  const relationship = { ...spiffe(ENDPOINT_ID), bundleEndpointUrl: url };
  await federation.create(relationship, published({ keys: [x509Key(first)], sequence: 1 }), OPERATOR);
});

describe("a foreign trust domain that rotates", () => {
  test("is followed from authority to authority: each was published by the one before", async () => {
    for (const [by, sequence, ...authorities] of [
      [first, 1, first],
      [first, 2, first, second],
      [second, 3, second],
      [second, 4, second, third],
      [third, 5, third],
    ] as const) {
      serve(by, sequence, ...authorities);
      const state = await federation.refresh(FOREIGN);
      expect(state).not.toHaveProperty("failure");
      expect(state.bundle).toMatchObject({ sequence });
    }
  });

  test("is not followed to an authority that it never published, nor back to one that it took out", async () => {
    serve(first, 2, second);
    await federation.refresh(FOREIGN);
    for (const by of [first, third]) {
      serve(by, 3, first, second, third);
      expect(await federation.refresh(FOREIGN)).toMatchObject({
        bundle: { sequence: 2 },
        failure: { message: "the bundle endpoint shows a certificate that its trust domain did not issue" },
      });
    }
    serve(second, 3, second);
    expect(await federation.refresh(FOREIGN)).toMatchObject({ bundle: { sequence: 3 } });
  });

  test("is asked by nobody any more once it trusts nobody: its endpoint can't be recognised", async () => {
    serve(first, 2);
    expect(await federation.refresh(FOREIGN)).toMatchObject({
      bundle: { document: '{"keys":[],"spiffe_sequence":2}' },
    });
    serve(first, 3, first);
    expect(await federation.refresh(FOREIGN)).toMatchObject({
      bundle: { sequence: 2 },
      failure: { message: "there are no X.509 authorities of foreign.example to recognise the bundle endpoint by" },
    });
  });
});
