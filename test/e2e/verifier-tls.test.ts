import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { Agent, createServer, request } from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { PeerCertificate, TLSSocket } from "node:tls";
import { expect, onTestFinished, test, vi } from "vitest";
import { readCertificate } from "../../src/domain/certificate.ts";
import { createStint, type Step, type X509Svid } from "../../src/sdk/runtime/index.ts";
import { createTlsServer, createVerifier } from "../../src/sdk/verifier/index.ts";
import { startDaemon } from "../daemon.ts";
import { READ_SEARCH } from "./entries.ts";
import { operatorOf } from "./operator.ts";

const selectors = [`unix:uid:${process.getuid?.()}`];
const ENTRIES = [
  { kind: "agent", name: "researcher", selectors, ceiling: [READ_SEARCH] },
  { kind: "agent", name: "library", selectors, ceiling: [READ_SEARCH] },
  { kind: "runtime", name: "flow", selectors, agents: ["researcher", "library"] },
  // Of an audience that none of the steps has: whoever holds an X.509-SVID is everybody's concern.
  { kind: "verifier", name: "gate", selectors, audiences: ["https://gate.example"] },
];

/** A real broker, and a server of a step's that answers whose request it was. */
async function scene() {
  const daemon = await startDaemon({ entries: ENTRIES });
  const endpoint = `unix://${daemon.workloadSocket}`;
  const stint = createStint({ endpoint, agent: "researcher" });
  const verifier = createVerifier({ endpoint, audiences: ["https://gate.example"], development: true });
  await verifier.ready();
  const serving = await stint.openStep({ agent: "library", runId: "serving", step: "serve" });
  const refusals: string[] = [];
  const { server, check } = createTlsServer({
    verifier,
    svid: (await serving.x509Svid()).tls(),
    create: (options) =>
      createServer(options, ({ socket }, response) => {
        const { step } = check(socket);
        response.end(`${step?.runId}/${step?.step}`);
      }),
    onRefused: ({ code }) => void refusals.push(code),
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(async () => {
    server.close();
    verifier.close();
    stint.close();
    await daemon[Symbol.asyncDispose]();
  });
  const { port } = server.address() as AddressInfo;
  const open = (step: string) => stint.openStep({ runId: "r", step });
  return { daemon, refusals, open, clientOf: (svid: X509Svid) => clientAt(port, svid, serving) };
}

/** A client with one connection that it keeps, and which holds the server to its SPIFFE ID. */
function clientAt(port: number, svid: X509Svid, server: Step) {
  const checkServerIdentity = (_host: string, { subjectaltname }: PeerCertificate) =>
    subjectaltname === `URI:${server.spiffeId}` ? undefined : new Error("another server");
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ...svid.tls(), checkServerIdentity });
  onTestFinished(() => agent.destroy());
  const sockets = new Set<TLSSocket>();
  return {
    sockets,
    async get(): Promise<string> {
      const asked = request({ port, agent });
      asked.on("socket", (socket) => sockets.add(socket as TLSSocket));
      asked.end();
      try {
        const [response] = (await once(asked, "response")) as [IncomingMessage];
        return await text(response);
      } catch {
        return "cut";
      }
    },
  };
}

const closed = (socket: TLSSocket | undefined) =>
  vi.waitFor(() => expect(socket?.closed).toBe(true), { timeout: 5_000 });

test("the connection of a step works while it is open, is cut when it closes, and no other is made then", async () => {
  const { open, clientOf, refusals } = await scene();
  const [step, other] = [await open("one"), await open("two")];
  const client = clientOf(await step.x509Svid());
  const bystander = clientOf(await other.x509Svid());
  expect([await client.get(), await client.get(), await bystander.get()]).toEqual(["r/one", "r/one", "r/two"]);
  expect(client.sockets.size).toBe(1);

  const svid = await step.x509Svid();
  await step.close();
  await closed([...client.sockets][0]);
  expect(await client.get()).toBe("cut");
  expect(await clientOf(svid).get()).toBe("cut");
  expect(new Set(refusals)).toEqual(new Set(["REVOKED"]));
  expect(await bystander.get()).toBe("r/two");
  expect(bystander.sockets.size).toBe(1);
});

test("the connection of one X.509-SVID that an operator revokes is cut, and the step goes on", async () => {
  const { daemon, open, clientOf } = await scene();
  using operator = operatorOf(daemon.operatorSocket);
  const step = await open("one");
  const svid = await step.x509Svid();
  const client = clientOf(svid);
  expect(await client.get()).toBe("r/one");
  const [leaf] = svid.certificates;
  const { serialNumber } = readCertificate(leaf ?? new Uint8Array());
  await operator.revocations.revoke({ target: { case: "serialNumber", value: serialNumber } });
  await closed([...client.sockets][0]);
  expect(await clientOf(svid).get()).toBe("cut");
  expect(step.signal.aborted).toBe(false);
});
