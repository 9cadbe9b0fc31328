import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createUnixAttestor, type UnixAttestor } from "../../../src/adapters/attestor-unix/unix-attestor.ts";
import type { Evidence } from "../../../src/ports/attestor.ts";
import { connectPeer, isRoot, type Listener, listenIn, NEEDS_ROOT, openDirectory } from "./peer-processes.ts";

type Ids = { readonly uid: number; readonly gid: number; readonly groups: readonly number[] };

const QUICK = { executableDigest: false };
const AGENT: Ids = { uid: 61_001, gid: 62_001, groups: [] };

describe("processes of other users", () => {
  let directory: string;
  let listener: Listener;
  let unix: UnixAttestor;

  beforeEach(async (context) => {
    context.skip(!isRoot, NEEDS_ROOT);
    directory = openDirectory();
    listener = await listenIn(directory);
    const accounts = { passwd: join(directory, "passwd"), group: join(directory, "group") };
    writeFileSync(accounts.passwd, "root:x:0:0::/root:/bin/sh\nagent:x:61001:62001::/:/bin/false\n");
    writeFileSync(accounts.group, "root:x:0:\nagents:x:62001:\n");
    unix = createUnixAttestor({ accounts });
  });

  afterEach(async () => {
    unix?.close();
    await listener?.close();
  });

  function connectedAs(ids: Ids) {
    return connectPeer(listener, unix, { ids });
  }

  function ofKind(evidence: Evidence, kind: string): readonly string[] {
    return [...evidence.selectors].filter((one) => one.startsWith(`${kind}:`)).map((one) => one.slice(kind.length + 1));
  }

  test("are told apart by their uids and gids", async () => {
    for (const number of [1, 2, 3]) {
      const { peer } = await connectedAs({ uid: 61_100 + number, gid: 62_100 + number, groups: [] });

      const evidence = await unix.attestor.attest(peer, QUICK);

      expect(evidence.uid).toBe(61_100 + number);
      expect(ofKind(evidence, "unix:uid")).toEqual([`${61_100 + number}`]);
      expect(ofKind(evidence, "unix:gid")).toEqual([`${62_100 + number}`]);
      expect(ofKind(evidence, "unix:supplementary_gid")).toEqual([]);
    }
  });

  test("have one selector for each supplementary group", async () => {
    const { peer } = await connectedAs({ ...AGENT, groups: [63_001, 63_002, 63_003] });

    const evidence = await unix.attestor.attest(peer, QUICK);

    expect(ofKind(evidence, "unix:supplementary_gid")).toEqual(["63001", "63002", "63003"]);
    expect(ofKind(evidence, "unix:gid")).toEqual([`${AGENT.gid}`]);
  });

  test("may be in thousands of groups, and have a selector for each", async () => {
    const groups = Array.from({ length: 3_000 }, (_, index) => 70_000 + index);
    const { peer } = await connectedAs({ ...AGENT, groups });

    const evidence = await unix.attestor.attest(peer, QUICK);

    expect(ofKind(evidence, "unix:supplementary_gid")).toEqual(groups.map(String));
  });

  test("have the names of their local account and group", async () => {
    const { peer } = await connectedAs(AGENT);

    const evidence = await unix.attestor.attest(peer, QUICK);

    expect(ofKind(evidence, "unix:user")).toEqual(["agent"]);
    expect(ofKind(evidence, "unix:group")).toEqual(["agents"]);
  });

  test("have no name without a local account, and it is said so", async () => {
    const { peer } = await connectedAs({ uid: 61_999, gid: 62_999, groups: [] });

    const evidence = await unix.attestor.attest(peer, QUICK);

    expect(ofKind(evidence, "unix:user")).toEqual([]);
    expect(evidence.unavailable).toEqual([
      { kind: "unix:user", reason: "the uid has no local account" },
      { kind: "unix:group", reason: "the gid has no local group" },
    ]);
  });

  test.for([
    { changed: "user", to: { uid: AGENT.uid } },
    { changed: "group", to: { gid: AGENT.gid } },
  ])("are refused once they have changed their $changed", async ({ to }) => {
    const { peer, process: child } = await connectedAs({ uid: 0, gid: 0, groups: [] });
    await unix.attestor.attest(peer, QUICK);

    child.tell(`ids ${JSON.stringify(to)}`);
    await child.said("done");
    await nextTurn();

    await expect(unix.attestor.attest(peer, QUICK)).rejects.toMatchObject({
      code: "NO_IDENTITY",
      message: "the process changed its user or group since it opened this connection: connect anew",
    });
  });

  test("lose a supplementary group as soon as they have left it", async () => {
    const { peer, process: child } = await connectedAs({ uid: 0, gid: 0, groups: [63_001, 63_002] });
    await unix.attestor.attest(peer, QUICK);

    child.tell(`ids ${JSON.stringify({ groups: [63_002] })}`);
    await child.said("done");
    await nextTurn();

    expect(ofKind(await unix.attestor.attest(peer, QUICK), "unix:supplementary_gid")).toEqual(["63002"]);
  });

  test("are found by pid with the same selectors as by connection", async () => {
    const { peer } = await connectedAs({ ...AGENT, groups: [63_001] });
    const evidence = await unix.attestor.attest(peer, QUICK);

    expect(unix.watch.find(peer.pid)).toEqual({
      process: evidence.process,
      uid: evidence.uid,
      selectors: evidence.selectors,
    });
  });
});
