import { expect, test } from "vitest";
import type { FederationRelationship } from "../../src/domain/federation.ts";
import { parseSpiffeId, parseTrustDomain } from "../../src/domain/spiffe-id.ts";
import type { AcceptBundleAct } from "../../src/ports/ledger-acts.ts";
import { done, OPERATOR, type World } from "./ledger-world.ts";

type Bundle = AcceptBundleAct["bundle"];

/** What the ledger promises of federation: one relationship a trust domain, and a bundle that never goes back. */
export function federationContract(worldOf: () => World): void {
  const relationshipOf = (world: World): FederationRelationship => {
    const trustDomain = parseTrustDomain(`${world.name()}.example`);
    return { trustDomain, bundleEndpointUrl: `https://${trustDomain}/bundle`, profile: { kind: "https_web" } };
  };
  const put = (world: World, relationship: FederationRelationship, bundle?: Bundle) =>
    world.ledger.perform({
      act: "put-federation",
      relationship,
      ...(bundle === undefined ? {} : { bundle }),
      by: OPERATOR,
      now: world.clock.now(),
    });
  const end = (world: World, { trustDomain }: FederationRelationship) =>
    world.ledger.perform({ act: "end-federation", trustDomain, by: OPERATOR, now: world.clock.now() });
  const accept = (world: World, { trustDomain }: FederationRelationship, bundle: Bundle) =>
    world.ledger.perform({ act: "accept-bundle", trustDomain, bundle, now: world.clock.now() });
  const read = async (world: World, { trustDomain }: FederationRelationship) =>
    (await world.store.projections.federations()).value.find(
      ({ relationship }) => relationship.trustDomain === trustDomain,
    );
  const bundleOf = (sequence?: number, document = `{"keys":[],"spiffe_sequence":${sequence}}`): Bundle => ({
    document,
    ...(sequence === undefined ? {} : { sequence }),
  });
  const OF_SEQUENCE = { code: "INVALID_FIELD", metadata: { field: "spiffe_sequence" } };
  const OF_TRUST_DOMAIN = { code: "INVALID_FIELD", metadata: { field: "trust_domain" } };

  test("a relationship reads back as it was put, with its first bundle where there is one", async () => {
    const world = worldOf();
    const [web, own] = [relationshipOf(world), relationshipOf(world)];
    const endpointSpiffeId = parseSpiffeId(`spiffe://${own.trustDomain}/stint/server`);
    const spiffe: FederationRelationship = { ...own, profile: { kind: "https_spiffe", endpointSpiffeId } };
    done(await put(world, web));
    done(await put(world, spiffe, bundleOf(7)));
    expect(await read(world, web)).toEqual({ relationship: web });
    const bundle = { trustDomain: own.trustDomain, ...bundleOf(7), acceptedAt: world.clock.now() };
    expect(await read(world, spiffe)).toEqual({ relationship: spiffe, bundle });
  });

  test("a trust domain has one relationship, and another one once that has ended", async () => {
    const world = worldOf();
    const relationship = relationshipOf(world);
    done(await put(world, relationship, bundleOf(3)));
    expect(await put(world, relationship)).toMatchObject(OF_TRUST_DOMAIN);
    done(await end(world, relationship));
    expect(await read(world, relationship)).toBeUndefined();
    expect(await end(world, relationship)).toMatchObject(OF_TRUST_DOMAIN);
    done(await put(world, relationship));
    expect(await read(world, relationship)).toEqual({ relationship });
  });

  test("a bundle is accepted only where there is a relationship", async () => {
    const world = worldOf();
    expect(await accept(world, relationshipOf(world), bundleOf(1))).toMatchObject(OF_TRUST_DOMAIN);
  });

  test("the sequence of a bundle goes up: neither back, nor away, nor does it stay for other content", async () => {
    const world = worldOf();
    const relationship = relationshipOf(world);
    done(await put(world, relationship, bundleOf(5)));
    const refused = [bundleOf(4), bundleOf(undefined), bundleOf(5, '{"keys":[1]}'), bundleOf(Number.NaN)];
    for (const bundle of refused) expect(await accept(world, relationship, bundle)).toMatchObject(OF_SEQUENCE);
    expect(await read(world, relationship)).toMatchObject({ bundle: bundleOf(5) });
    done(await accept(world, relationship, bundleOf(6)));
    expect(await read(world, relationship)).toMatchObject({ bundle: bundleOf(6) });
  });

  test("a refusal of a sequence says whether it is too low, or has other content", async () => {
    const world = worldOf();
    const relationship = relationshipOf(world);
    done(await put(world, relationship, bundleOf(5)));
    const other = { message: expect.stringContaining("a new one for new content") };
    expect(await accept(world, relationship, bundleOf(5, '{"keys":[1]}'))).toMatchObject(other);
    const older = { message: expect.stringContaining("not below") };
    expect(await accept(world, relationship, bundleOf(4))).toMatchObject(older);
    // The same content with another sequence is another bundle.
    const { document } = bundleOf(5);
    done(await accept(world, relationship, bundleOf(6, document)));
    expect(await read(world, relationship)).toMatchObject({ bundle: { sequence: 6 } });
  });

  test("one that does not count may change, and may begin to count", async () => {
    const world = worldOf();
    const relationship = relationshipOf(world);
    done(await put(world, relationship, bundleOf(undefined, "{}")));
    done(await accept(world, relationship, bundleOf(undefined, '{"keys":[]}')));
    done(await accept(world, relationship, bundleOf(1)));
    expect(await accept(world, relationship, bundleOf(undefined))).toMatchObject(OF_SEQUENCE);
  });

  test("the same bundle again is not recorded", async () => {
    const world = worldOf();
    const relationship = relationshipOf(world);
    done(await put(world, relationship, bundleOf(5)));
    const { sequence } = world.ledger.head();
    expect(done(await accept(world, relationship, bundleOf(5))).sequence).toBe(0);
    expect(world.ledger.head().sequence).toBe(sequence);
  });
}
