import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseEntryContent } from "../../src/domain/entry-content.ts";
import { identityOf, machineIn } from "../../src/domain/node-machine.ts";
import { type NodeName, nodeNameOf, partsOfNodeName } from "../../src/domain/node-name.ts";
import { areWithinMachine, ownedBy, sameOwner } from "../../src/domain/owner.ts";
import { formatProcess, type ProcessIdentity, processFrom, processOfNode } from "../../src/domain/process.ts";
import type { NodeContent, RegistrationEntry } from "../../src/domain/registration-entry.ts";
import type { Selector } from "../../src/domain/selector.ts";
import { infrastructureNameOf, type Segment, type SpiffeId } from "../../src/domain/spiffe-id.ts";

// Goal: the machines of a group are told apart by their evidence, and what one of them owns no other does.

const CLUSTER = ["k8s:cluster:prod", "k8s:ns:stint", "k8s:sa:stint-node"];
const GROUP = { kind: "node", name: "pool", selectors: CLUSTER, machineName: "k8s:node-name" } as const;
const POOL = "spiffe://example.org/stint/node/pool";

function entry(more: object = {}): RegistrationEntry {
  const content = parseEntryContent({ ...GROUP, ...more }) as NodeContent;
  return { spiffeId: POOL as SpiffeId, content } as RegistrationEntry;
}

const shown = (...more: string[]) => new Set([...CLUSTER, ...more] as Selector[]);

describe("what an entry says of its machines", () => {
  test("is taken where its evidence has it", () => {
    const barred = { ...GROUP, barredMachines: ["worker-9"] };
    expect(parseEntryContent(barred)).toEqual(barred);
    expect(parseEntryContent({ ...GROUP, machineName: "", barredMachines: [] })).not.toHaveProperty("machineName");
  });

  test.for([
    { what: "something that is the same for all", more: { machineName: "k8s:ns" }, field: "machine_name" },
    { what: "other evidence", more: { machineName: "x509pop:subject:cn" }, field: "machine_name" },
    {
      what: "what a selector says",
      more: { machineName: "k8s:node-name", selectors: [...CLUSTER, "k8s:node-name:worker-2"] },
      field: "machine_name",
    },
    { what: "no name", more: { barredMachines: ["a/b"] }, field: "barred_machines" },
    { what: "one twice", more: { barredMachines: ["a", "a"] }, field: "barred_machines" },
    { what: "one of no group", more: { machineName: "", barredMachines: ["a"] }, field: "barred_machines" },
  ])("is refused: $what", ({ more, field }) => {
    expect(() => parseEntryContent({ ...GROUP, ...more })).toThrow(
      expect.objectContaining({ code: "INVALID_FIELD", metadata: { field } }),
    );
  });
});

describe("a machine", () => {
  test("is the one that the evidence names", () => {
    expect(machineIn(entry(), shown("k8s:node-name:worker-2"))).toBe("worker-2");
    expect(machineIn(entry({ machineName: undefined }), shown("k8s:node-name:worker-2"))).toBeUndefined();
  });

  const CA = `x509pop:ca:${"0".repeat(64)}`;
  const ISS = "oidc:iss:https://login.example";
  test.for([
    { machineName: "x509pop:subject:cn", selectors: [CA], says: "x509pop:subject:cn:build-7" },
    { machineName: "x509pop:san:dns", selectors: [CA], says: "x509pop:san:dns:build-7" },
    { machineName: "oidc:sub", selectors: [ISS], says: "oidc:sub:build-7" },
    { machineName: "oidc:claim:host", selectors: [ISS], says: "oidc:claim:host:build-7" },
  ])("is named by $machineName too, and by nothing that begins like it", ({ machineName, selectors, says }) => {
    const other = says.replace(machineName, `${machineName}name`);
    const attested = new Set([...selectors, says, other, "x509pop:san:uri:spiffe://a/b"] as Selector[]);
    expect(machineIn(entry({ machineName, selectors }), attested)).toBe("build-7");
  });

  test.for([
    { what: "the evidence names none", selectors: shown() },
    { what: "it names two", selectors: shown("k8s:node-name:a", "k8s:node-name:b") },
    { what: "its name is no segment of a SPIFFE ID", selectors: shown(`k8s:node-name:${"a".repeat(129)}`) },
    { what: "it is barred", selectors: shown("k8s:node-name:worker-9") },
  ])("is nobody where $what", ({ selectors }) => {
    expect(() => machineIn(entry({ barredMachines: ["worker-9"] }), selectors)).toThrow(
      expect.objectContaining({ code: "NO_IDENTITY" }),
    );
  });

  test("has a SPIFFE ID below the entry's; the group itself has none, nor has a machine without a group, or a barred one", () => {
    const [two, nine] = ["worker-2", "worker-9"] as [Segment, Segment];
    const group = entry({ barredMachines: [nine] });
    expect(identityOf(group, two)).toBe(`${POOL}/worker-2`);
    expect(infrastructureNameOf(`${POOL}/worker-2` as SpiffeId)).toEqual({ kind: "node", name: "pool", machine: two });
    expect([identityOf(group, undefined), identityOf(group, nine)]).toEqual([undefined, undefined]);
    const single = entry({ machineName: undefined });
    expect([identityOf(single, undefined), identityOf(single, two)]).toEqual([POOL, undefined]);
    expect(infrastructureNameOf(`${POOL}/a/b` as SpiffeId)).toBeUndefined();
    expect(infrastructureNameOf("spiffe://example.org/runtime/a/b" as SpiffeId)).toBeUndefined();
  });
});

const segment = fc.stringMatching(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,20}$/) as fc.Arbitrary<Segment>;
const node = fc
  .tuple(segment, fc.option(segment, { nil: undefined }))
  .map(([name, machine]) => nodeNameOf(name, machine));
const place = fc.option(node, { nil: undefined });

function processAt(at: NodeName | undefined): ProcessIdentity {
  const process = { bootId: "00000000-0000-4000-8000-000000000001", pidNamespace: "4", pid: 5, startTimeTicks: 6 };
  return at === undefined ? process : processOfNode(at, process);
}

test("each name of a node has one reading, and a process of its machine one text", () => {
  fc.assert(
    fc.property(node, (name) => {
      const { entry: group, machine } = partsOfNodeName(name);
      expect(nodeNameOf(group, machine)).toBe(name);
      const process = processAt(name);
      expect(processFrom(formatProcess(process))).toEqual(process);
    }),
  );
});

test("one entry owns on two machines of groups two things, and one thing wherever else it is", () => {
  const isGrouped = (at: NodeName | undefined) => at?.includes("/") === true;
  fc.assert(
    fc.property(place, fc.option(place, { nil: null }), segment, segment, (a, other, mine, yours) => {
      const b = other === null ? a : other;
      const isSame = isGrouped(a) || isGrouped(b) ? a === b : true;
      expect(sameOwner(ownedBy(mine, processAt(a)), ownedBy(mine, processAt(b)))).toBe(isSame);
      expect(areWithinMachine(processAt(a), processAt(b))).toBe(isSame);
      if (mine !== yours) expect(sameOwner(ownedBy(mine, processAt(a)), ownedBy(yours, processAt(a)))).toBe(false);
    }),
  );
});
