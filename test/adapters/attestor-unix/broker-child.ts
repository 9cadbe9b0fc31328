// A broker of the tests that runs elsewhere: attests whoever connects, and says what it found.
import { chmodSync } from "node:fs";
import { createServer } from "node:net";
import process from "node:process";
import { createUnixAttestor } from "../../../src/adapters/attestor-unix/unix-attestor.ts";
import { BrokerError } from "../../../src/domain/errors.ts";

const [path = ""] = process.argv.slice(2);

try {
  const unix = createUnixAttestor();
  const server = createServer(async (socket) => {
    socket.on("error", () => undefined);
    const peer = unix.adopt(Reflect.get(Reflect.get(socket, "_handle") as object, "fd") as number);
    if ("kind" in peer) {
      say("denied", peer);
      return;
    }
    try {
      const evidence = await unix.attestor.attest(peer, { executableDigest: true });
      say("attested", { ...evidence, selectors: [...evidence.selectors] });
    } catch (error) {
      say("refused", { peer, ...described(error) });
    }
  });
  server.listen(path, () => {
    chmodSync(path, 0o666);
    say("listening", {});
  });
} catch (error) {
  say("failed", described(error));
}

function described(error: unknown): object {
  return error instanceof BrokerError ? { code: error.code, message: error.message } : { message: String(error) };
}

function say(word: string, value: object): void {
  process.stdout.write(`${word} ${JSON.stringify(value)}\n`);
}
