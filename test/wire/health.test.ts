import { once } from "node:events";
import {
  type Channel,
  type Client,
  type ClientReadableStream,
  credentials,
  makeGenericClientConstructor,
  status,
} from "@grpc/grpc-js";
// A reader that others wrote, with the contract's file as it is published.
import { service as published } from "grpc-health-check";
import { expect, test } from "vitest";
import { addHealth, type Health } from "../../src/wire/health.ts";
import { serving } from "./serving.ts";

type Answer = { readonly status: string };
type HealthClient = Client & {
  check(request: object, answered: (error: Error | null, answer?: Answer) => void): void;
  list(request: object, answered: (error: Error | null, answer?: { readonly statuses: object }) => void): void;
  watch(request: object): ClientReadableStream<Answer>;
};

async function servingHealth(): Promise<{ readonly health: Health; readonly client: HealthClient }> {
  let health: Health | undefined;
  const { channel } = await serving((server) => {
    health = addHealth(server, ["stint.v1.Steps"]);
  });
  if (health === undefined) throw new Error("nothing was added");
  return { health, client: clientOf(channel) };
}

function clientOf(channel: Channel): HealthClient {
  const Health = makeGenericClientConstructor(published, "Health");
  return new Health("", credentials.createInsecure(), { channelOverride: channel }) as unknown as HealthClient;
}

const checked = (client: HealthClient, service: string) =>
  new Promise((resolve, reject) =>
    client.check({ service }, (error, answer) => (error === null ? resolve(answer) : reject(error))),
  );

test.for(["", "stint.v1.Steps"])("a check of '%s' tells that it is not served, until it is", async (service) => {
  const { health, client } = await servingHealth();
  expect(await checked(client, service)).toEqual({ status: "NOT_SERVING" });
  health.setServing(true);
  expect(await checked(client, service)).toEqual({ status: "SERVING" });
  health.setServing(false);
  expect(await checked(client, service)).toEqual({ status: "NOT_SERVING" });
});

test("a check of what is not there is NOT_FOUND", async () => {
  const { client } = await servingHealth();
  await expect(checked(client, "stint.v1.Nothing")).rejects.toMatchObject({ code: status.NOT_FOUND });
});

test("a list has each service and the server itself", async () => {
  const { health, client } = await servingHealth();
  health.setServing(true);
  const listed = await new Promise((resolve, reject) =>
    client.list({}, (error, answer) => (error === null ? resolve(answer) : reject(error))),
  );
  expect(listed).toEqual({ statuses: { "": { status: "SERVING" }, "stint.v1.Steps": { status: "SERVING" } } });
});

test("a watch is told what is so, and each change of it, once", async () => {
  const { health, client } = await servingHealth();
  const watch = client.watch({ service: "stint.v1.Steps" });
  const told: Answer[] = [];
  const next = async () => told.push((await once(watch, "data"))[0] as Answer);
  await next();
  for (const isServing of [true, true, false]) {
    health.setServing(isServing);
    if (isServing !== (told.at(-1)?.status === "SERVING")) await next();
  }
  expect(told.map((one) => one.status)).toEqual(["NOT_SERVING", "SERVING", "NOT_SERVING"]);
  watch.cancel();
  await expect(once(watch, "end")).rejects.toMatchObject({ code: status.CANCELLED });
  // Whoever has left is written to no more, and whoever is there is served.
  health.setServing(true);
  expect(await checked(client, "")).toEqual({ status: "SERVING" });
});

test("a watch of what is not there goes on, and says so", async () => {
  const { client } = await servingHealth();
  const watch = client.watch({ service: "stint.v1.Nothing" });
  expect((await once(watch, "data"))[0]).toEqual({ status: "SERVICE_UNKNOWN" });
  watch.on("error", () => undefined);
  watch.cancel();
});
