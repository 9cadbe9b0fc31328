import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkData } from "../../src/doctor/data.ts";
import type { Diagnosis } from "../../src/doctor/diagnosis.ts";
import { checkReadable, checkUnchanged } from "../../src/doctor/files.ts";
import { mayAct, type PathFacts, READ } from "../../src/doctor/paths.ts";
import { checkSocket, type SocketFacts } from "../../src/doctor/sockets.ts";

const shown = (found: readonly Diagnosis[]) => found.map(({ severity, what }) => `${severity}: ${what}`);
const mends = (found: readonly Diagnosis[]) => found.map(({ mend }) => mend);

const DAEMON = { uid: 900, gids: [900], name: "stint" };

function at(path: string, facts: Partial<PathFacts> = {}): PathFacts {
  return { path, kind: "directory", uid: 0, gid: 0, mode: 0o755, ...facts };
}

const ABOVE = [at("/"), at("/var"), at("/var/lib")];
const OWN = at("/var/lib/stint", { uid: 900, gid: 900, mode: 0o700 });

describe("the data directory", () => {
  const own = (path: string, facts: Partial<PathFacts> = {}) =>
    at(`/var/lib/stint/${path}`, { uid: 900, gid: 900, mode: 0o600, kind: "file", ...facts });
  const fit = {
    directory: OWN,
    above: ABOVE,
    daemon: DAEMON,
    content: [own("keys", { kind: "directory", mode: 0o700 }), own("keys/a.pem"), own("ledger/ledger.db")],
  };
  const missing = at("/var/lib/stint", { kind: "none" });

  test.for([
    {
      name: "is its user's alone",
      facts: {},
      says: ["ok: /var/lib/stint and what is in it is the daemon's user's alone"],
    },
    {
      name: "has another mode",
      facts: { directory: { ...OWN, mode: 0o755 } },
      says: ["error: /var/lib/stint has mode 0755, expected 0700"],
    },
    {
      name: "is a link",
      facts: { directory: { ...OWN, kind: "link" as const } },
      says: ["error: /var/lib/stint is no directory"],
    },
    {
      name: "has keys that others may read",
      facts: { content: [own("keys/a.pem", { mode: 0o644 }), own("ledger/ledger.db", { mode: 0o644 })] },
      says: ["error: /var/lib/stint/keys/a.pem: open to others than the broker, expected mode 0600"],
    },
    {
      name: "has files of another user, as after a start as root",
      facts: { content: [own("ledger/ledger.db", { uid: 0 }), own("cursor.key", { uid: 0 })] },
      says: [
        "error: /var/lib/stint/ledger/ledger.db, /var/lib/stint/cursor.key belong to another user than /var/lib/stint",
      ],
    },
    {
      name: "is below what everybody may write to",
      facts: { above: [at("/"), at("/srv", { mode: 0o777 })] },
      says: ["error: /srv is writable by everybody (mode 0777)"],
    },
    {
      name: "is below what is sticky, as /tmp is",
      facts: { above: [at("/"), at("/tmp", { mode: 0o1777 })] },
      says: ["ok: /var/lib/stint and what is in it is the daemon's user's alone"],
    },
    {
      name: "is below a home that its user may not enter",
      facts: { above: [at("/"), at("/root", { mode: 0o700 })] },
      says: ["error: stint can't go through /root (mode 0700)"],
    },
    {
      name: "is not there, and can't be made",
      facts: { directory: missing },
      says: ["error: /var/lib/stint is not there, and stint can't make it"],
    },
    {
      name: "is not there, nor is the one above",
      facts: { directory: missing, above: [at("/"), at("/var", { uid: 900 })] },
      says: ["error: /var/lib/stint is not there, and stint can't make it"],
    },
    {
      name: "is not there, and is made at the start",
      facts: { directory: missing, above: [at("/"), at("/var/lib", { uid: 900 })] },
      says: ["ok: /var/lib/stint is not there yet, and is made at the first start"],
    },
    {
      name: "shows nothing to whoever asks",
      facts: { content: undefined },
      says: ["skipped: what is in /var/lib/stint is shown to root and to the daemon's user alone"],
    },
    {
      name: "can't be seen",
      facts: { directory: at("/var/lib/stint", { kind: "hidden" as const }) },
      says: ["skipped: /var/lib/stint can't be seen: run stint doctor as root or as the daemon's user"],
    },
  ])("that $name", ({ facts, says }) => {
    expect(shown(checkData({ ...fit, ...facts }))).toEqual(says);
  });

  test("more files than a line holds are counted, and mended by one command", () => {
    const content = ["a", "b", "c", "d", "e"].map((name) => own(`${name}.key`, { mode: 0o640 }));
    const [found] = checkData({ ...fit, content });
    expect(found?.what).toBe(
      "/var/lib/stint/a.key, /var/lib/stint/b.key, /var/lib/stint/c.key and 2 more: open to others than the broker, expected mode 0600",
    );
    expect(found?.mend).toMatch(/^chmod 0600 .*\/a\.key .*\/e\.key$/);
  });
});

describe("a socket", () => {
  const socket = at("/run/stint/workload.sock", { kind: "socket", uid: 900, mode: 0o666 });
  const serving: SocketFacts = {
    setting: "workload.socket",
    socket,
    above: [at("/"), at("/run"), at("/run/stint", { uid: 900 })],
    hasDirectory: true,
    connected: "listens",
    listener: { pid: 77, uid: 900 },
    mode: 0o666,
    daemon: DAEMON,
  };
  const path = "/run/stint/workload.sock";

  test.for<{ name: string; facts: Partial<SocketFacts>; says: readonly string[] }>([
    { name: "has its broker", facts: {}, says: [`ok: a broker listens at ${path}, pid 77`] },
    {
      name: "is not there",
      facts: { socket: { ...socket, kind: "none" }, connected: undefined, listener: undefined },
      says: [`warning: nobody serves at ${path}`],
    },
    {
      name: "is a file",
      facts: { socket: { ...socket, kind: "file" }, connected: undefined, listener: undefined },
      says: [`error: ${path} is no socket`],
    },
    {
      name: "was left behind",
      facts: { connected: "ECONNREFUSED", listener: undefined },
      says: [`warning: nobody listens at ${path}, which a broker left that was killed`],
    },
    {
      name: "was left behind by another user",
      facts: { socket: { ...socket, uid: 0 }, connected: "ECONNREFUSED", listener: undefined },
      says: [`error: nobody listens at ${path}, which a broker left that was killed`],
    },
    {
      name: "is another user's",
      facts: { listener: { pid: 78, uid: 1_000 } },
      says: [`error: uid 1000 listens at ${path} (pid 78), and not the daemon's user stint`],
    },
    {
      name: "has another mode than it is to have",
      facts: { socket: { ...socket, mode: 0o600 } },
      says: [`warning: ${path} has mode 0600, where the configuration gives it 0666`],
    },
    {
      name: "is not for whoever asks",
      facts: { connected: "EACCES", listener: undefined },
      says: [`skipped: who is at ${path} is not for this user to connect to (mode 0666)`],
    },
    {
      name: "stands still",
      facts: { connected: "ETIMEDOUT" },
      says: [`error: connecting to ${path} fails (ETIMEDOUT)`],
    },
    {
      name: "has no directory",
      facts: { hasDirectory: false },
      says: ["error: /run/stint, where sockets are to stand, is not there"],
    },
    {
      name: "is in a directory of everybody's",
      facts: { above: [at("/"), at("/run/stint", { mode: 0o777 })] },
      says: ["error: /run/stint is writable by everybody"],
    },
    {
      name: "is in a directory of another user's",
      facts: { above: [at("/"), at("/run/stint", { uid: 1_000 })] },
      says: ["error: /run/stint belongs to uid 1000, neither root nor the daemon's user stint"],
    },
    {
      name: "is in a directory that callers can't go through",
      facts: { above: [at("/"), at("/run/stint", { uid: 900, mode: 0o750 })] },
      says: ["warning: not everybody can go through /run/stint (mode 0750)"],
    },
  ])("that $name", ({ facts, says }) => {
    expect(shown(checkSocket({ ...serving, ...facts }))).toEqual(says);
  });

  test("a directory below /run is one that a unit has to make", () => {
    const [mend] = mends(checkSocket({ ...serving, hasDirectory: false }));
    expect(mend).toBe(
      "install -d -o stint -g stint -m 0755 /run/stint; below /run, which a reboot empties, RuntimeDirectory=stint in its unit",
    );
  });
});

describe("a file that the daemon reads", () => {
  const file = at("/etc/stint/tls.key", { kind: "file", mode: 0o640, gid: 900 });
  const facts = { setting: "http.tls.private_key", file, above: [at("/"), at("/etc")], daemon: DAEMON };

  test("is in order where its user, or a group of it, may read it", () => {
    expect(checkReadable(facts)).toEqual([]);
    expect(checkReadable({ ...facts, daemon: { uid: 0, gids: [] }, file: { ...file, mode: 0o000 } })).toEqual([]);
  });

  test("is an error where root alone may, though root finds nothing wrong", () => {
    expect(shown(checkReadable({ ...facts, file: { ...file, mode: 0o600 } }))).toEqual([
      "error: http.tls.private_key: stint can't read /etc/stint/tls.key (mode 0600, uid 0)",
    ]);
    expect(shown(checkReadable({ ...facts, above: [at("/"), at("/etc/letsencrypt", { mode: 0o700 })] }))).toEqual([
      "error: http.tls.private_key: stint can't go through /etc/letsencrypt (mode 0700)",
    ]);
  });
});

test.for([
  { uid: 0, mode: 0o644, says: [] },
  { uid: 900, mode: 0o600, says: [] },
  {
    uid: 0,
    mode: 0o664,
    says: ["warning: others than root and stint may write to /etc/stint/stint.yaml (mode 0664, uid 0)"],
  },
  {
    uid: 7,
    mode: 0o644,
    says: ["warning: others than root and stint may write to /etc/stint/stint.yaml (mode 0644, uid 7)"],
  },
])("a configuration of uid $uid with mode $mode", ({ uid, mode, says }) => {
  const file = at("/etc/stint/stint.yaml", { kind: "file", uid, mode });
  expect(shown(checkUnchanged(file, DAEMON))).toEqual(says);
});

test("what a user may do is said by the first that fits of owner, group and others, and root may everything", () => {
  const ids = fc.integer({ min: 0, max: 3 });
  fc.assert(
    fc.property(
      ids,
      fc.uniqueArray(ids),
      ids,
      ids,
      fc.integer({ min: 0, max: 0o777 }),
      (uid, gids, owner, group, mode) => {
        const may = mayAct({ uid, gids }, { uid: owner, gid: group, mode }, READ);
        const bits = mode.toString(8).padStart(3, "0").split("").map(Number);
        const class_ = uid === owner ? 0 : gids.includes(group) ? 1 : 2;
        expect(may).toBe(uid === 0 || (bits[class_] ?? 0) >= 4);
      },
    ),
  );
});
