import { type Diagnosis, error, ok, skipped, warning } from "./diagnosis.ts";
import { firstClosed, isOpenToAll, octal, type PathFacts } from "./paths.ts";
import { type User, userText } from "./users.ts";

const ROOT = 0;

export type SocketFacts = {
  /** Key of the setting, e.g. `workload.socket`. */
  readonly setting: string;
  readonly socket: PathFacts;
  /** The directory it stands in, and those above it, as they really are, the topmost first. */
  readonly above: readonly PathFacts[];
  /** Whether the directory of it is there. */
  readonly hasDirectory: boolean;
  /** What connecting came to: `listens`, or the `errno`; `undefined` where there is no socket. */
  readonly connected: string | undefined;
  /** Who listens, by the kernel's word; a pid of 0 is one of another PID namespace. */
  readonly listener: { readonly pid: number; readonly uid: number } | undefined;
  /** Permission bits that the configuration gives it. */
  readonly mode: number;
  readonly daemon: User | undefined;
};

/** Whether those who should reach a socket of the broker do, and whether it is the broker's. */
export function checkSocket(facts: SocketFacts): readonly Diagnosis[] {
  const onTheWay = ofDirectory(facts);
  if (onTheWay.length > 0) return onTheWay;
  const { setting, socket, connected, daemon } = facts;
  const { path } = socket;
  if (socket.kind === "hidden") return [skipped("sockets", `${path} can't be seen: run stint doctor as root`)];
  if (socket.kind === "none") {
    const why = "no broker runs, or it serves elsewhere";
    const mend = `runuser -u ${daemon === undefined ? "stint" : userText(daemon)} -- stintd run, or systemctl start stint`;
    return [warning("sockets", { what: `nobody serves at ${path}`, why, mend })];
  }
  if (socket.kind !== "socket") {
    const why = "stintd takes nothing away that is no socket of its own: it does not start";
    return [
      error("sockets", { what: `${path} is no socket`, why, mend: `remove it (rm ${path}), or another ${setting}` }),
    ];
  }
  if (connected === "ECONNREFUSED") return [ofStale(facts)];
  if (connected === "EACCES" || connected === "EPERM") {
    return [skipped("sockets", `who is at ${path} is not for this user to connect to (mode ${octal(socket.mode)})`)];
  }
  if (connected !== "listens") {
    const why = "nobody else gets an answer there either";
    return [
      error("sockets", {
        what: `connecting to ${path} fails (${connected ?? "unknown"})`,
        why,
        mend: "start stintd anew, and see its log",
      }),
    ];
  }
  return ofListener(facts);
}

function ofDirectory({ setting, socket, above, hasDirectory, daemon }: SocketFacts): readonly Diagnosis[] {
  const directory = socket.path.slice(0, Math.max(1, socket.path.lastIndexOf("/")));
  const name = daemon === undefined ? "stint" : userText(daemon);
  const make = `install -d -o ${name} -g ${name} -m 0755 ${directory}`;
  if (!hasDirectory) {
    const why = "stintd makes sockets, and not the directory they stand in: it does not start";
    const mend = `${make}; below /run, which a reboot empties, RuntimeDirectory=${directory.replace("/run/", "")} in its unit`;
    return [error("sockets", { what: `${directory}, where sockets are to stand, is not there`, why, mend })];
  }
  const own = above.at(-1);
  const why = "somebody else could be taken for the broker: stintd does not start";
  if (own !== undefined && isOpenToAll(own)) {
    return [error("sockets", { what: `${own.path} is writable by everybody`, why, mend: `chmod o-w ${own.path}` })];
  }
  if (own !== undefined && daemon !== undefined && own.uid !== ROOT && own.uid !== daemon.uid) {
    const what = `${own.path} belongs to uid ${own.uid}, neither root nor the daemon's user ${name}`;
    return [error("sockets", { what, why, mend: `chown ${name}: ${own.path}` })];
  }
  // Whoever is neither root nor in any group of the directories: a caller.
  const closed = firstClosed(STRANGER, above);
  if (closed === undefined || setting !== "workload.socket") return [];
  const what = `not everybody can go through ${closed.path} (mode ${octal(closed.mode)})`;
  return [
    warning("sockets", {
      what,
      why: "agents and runtimes of other users can't reach the workload socket",
      mend: `chmod o+x ${closed.path}`,
    }),
  ];
}

/** No user has this id: it stands for "none". */
const STRANGER: User = { uid: 0xffff_ffff, gids: [] };

function ofStale({ socket, daemon }: SocketFacts): Diagnosis {
  const what = `nobody listens at ${socket.path}, which a broker left that was killed`;
  if (daemon !== undefined && socket.uid !== daemon.uid) {
    const why = `it belongs to uid ${socket.uid}, and stintd takes away its own alone: it does not start`;
    return error("sockets", { what, why, mend: `rm ${socket.path}` });
  }
  const why = "no broker runs; the next start takes the socket away";
  return warning("sockets", {
    what,
    why,
    mend: `runuser -u ${daemon === undefined ? "stint" : userText(daemon)} -- stintd run, or systemctl start stint`,
  });
}

function ofListener({ setting, socket, listener, mode, daemon }: SocketFacts): readonly Diagnosis[] {
  const { path } = socket;
  if (listener !== undefined && daemon !== undefined && listener.uid !== daemon.uid) {
    const what = `uid ${listener.uid} listens at ${path}${listener.pid > 0 ? ` (pid ${listener.pid})` : ""}, and not the daemon's user ${userText(daemon)}`;
    const why = "whoever connects there tells another program what it means for the broker";
    return [error("sockets", { what, why, mend: `end that program, or another ${setting}` })];
  }
  if ((socket.mode & 0o777) !== mode) {
    const what = `${path} has mode ${octal(socket.mode & 0o777)}, where the configuration gives it ${octal(mode)}`;
    const why = "others may connect than are meant to, or fewer";
    return [warning("sockets", { what, why, mend: "start stintd anew, or chmod it" })];
  }
  const by = listener === undefined || listener.pid === 0 ? "" : `, pid ${listener.pid}`;
  return [ok("sockets", `a broker listens at ${path}${by}`)];
}
