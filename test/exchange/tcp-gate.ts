import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** Between a broker and another system: passes everything on, or breaks the connections, or lets no answer through. */
export type TcpGate = {
  readonly port: number;
  /**
   * `down`: whoever connects is cut off. `holding`: questions go through, their answers wait for another mode. `losing`: a question is lost,
   * with the connection.
   *
   * @param from - with `holding` and `losing`: only once a question has this in it.
   */
  set(mode: "through" | "down" | "holding" | "losing", from?: string): void;
  /** Resolves once an answer is held back. */
  readonly held: () => Promise<void>;
  /** Resolves once a question is lost. */
  readonly lost: () => Promise<void>;
  close(): Promise<void>;
};

/** A gate on the loopback address in front of a port of it. */
export async function openTcpGate(port: number): Promise<TcpGate> {
  let mode: Parameters<TcpGate["set"]>[0] = "through";
  const all = new Set<Socket>();
  const waiting = new Set<() => void>();
  const losing = new Set<() => void>();
  let heldBack: (() => void)[] = [];
  let marker = "";

  const server = createServer((near) => {
    if (mode === "down") return void near.destroy();
    const far = connect(port, "127.0.0.1");
    for (const socket of [near, far]) {
      all.add(socket);
      socket.on("error", () => undefined);
      socket.once("close", () => all.delete(socket));
    }
    let isMarked = false;
    let markedIn: Parameters<TcpGate["set"]>[0] = mode;
    near.on("data", (part) => {
      // What was asked under another mode does not count.
      isMarked = (isMarked && markedIn === mode) || part.includes(marker);
      markedIn = mode;
      if (mode !== "losing" || !isMarked) return void far.write(part);
      near.destroy();
      for (const resolve of losing) resolve();
      losing.clear();
    });
    /** Whatever comes back, in its order. */
    function back(act: () => void): void {
      if (mode !== "holding" || !isMarked) {
        act();
        return;
      }
      heldBack.push(act);
      for (const resolve of waiting) resolve();
      waiting.clear();
    }
    far.on("data", (part) => back(() => near.write(part)));
    far.once("close", () => back(() => near.end()));
    near.once("close", () => far.destroy());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");

  return {
    port: (server.address() as AddressInfo).port,
    set(next, from = "") {
      mode = next;
      marker = from;
      if (next === "down") for (const socket of all) socket.destroy();
      if (next === "through") for (const release of heldBack.splice(0)) release();
      else heldBack = [];
    },
    held: () => (heldBack.length > 0 ? Promise.resolve() : new Promise((resolve) => void waiting.add(resolve))),
    lost: () => new Promise((resolve) => void losing.add(resolve)),
    async close() {
      for (const socket of all) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
