import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { httpEventPush } from "../../../src/adapters/exchange-http/event-push.ts";
import { systemClock } from "../../../src/adapters/system/system-clock.ts";
import { madeCertificate } from "../../api/http/http-peers.ts";

/** A receiver that answers as it is told. */
async function receiver(status: number, body = "", headers: Readonly<Record<string, string>> = {}) {
  const { certificate, privateKey, pem } = madeCertificate();
  const taken: { readonly type: string | undefined; readonly method: string | undefined; readonly body: string }[] = [];
  const server = createServer(
    { cert: readFileSync(certificate), key: readFileSync(privateKey) },
    (request, response) => {
      let text = "";
      request.on("data", (part: Buffer) => {
        text += String(part);
      });
      request.on("end", () => {
        taken.push({ type: request.headers["content-type"], method: request.method, body: text });
        response.writeHead(status, headers).end(body);
      });
    },
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/events`;
  const push = (ca: string | undefined = pem) =>
    httpEventPush({ clock: systemClock(), ca: () => ca }).push(url, "a.b.c");
  return { taken, push };
}

test("a token is posted as RFC 8935 has it, and taken once that is answered with 202", async () => {
  const { taken, push } = await receiver(202);
  await push();
  expect(taken).toEqual([{ type: "application/secevent+jwt", method: "POST", body: "a.b.c" }]);
});

test.for([
  { status: 400, body: '{"err":"invalid_key","description":"secret text"}', why: "answered 400 invalid_key" },
  { status: 400, body: '{"err":"<b>secret text</b>"}', why: "answered 400" },
  { status: 503, body: "secret text", why: "answered 503" },
  { status: 204, body: "", why: "answered 204" },
  { status: 302, body: "", why: "answered 302, and no redirect is followed" },
])("an answer of $status with $body is a failure that says: $why", async ({ status, body, why }) => {
  const { push } = await receiver(status, body, { location: "https://elsewhere.example/" });
  await expect(push()).rejects.toThrow(expect.objectContaining({ message: why }));
});

test("a receiver that nobody vouches for is sent nothing", async () => {
  const { taken, push } = await receiver(202);
  const { pem } = madeCertificate();
  await expect(push(pem)).rejects.toThrow("can't be reached");
  expect(taken).toEqual([]);
});
