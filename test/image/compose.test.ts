import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { COMPOSE, createServices } from "./services.ts";
import { BUILD_MS_MAX, buildImage, imageIsUnable, ROOT, type Unpacked, unpackImage } from "./unpacked.ts";

// What `docker compose up` starts, started without a container runtime.

const services = Object.entries(COMPOSE.services);

test("every service runs the image of this version, on a root that is read-only, with no network, no capability and a user of its own", () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
  for (const [, service] of services) {
    expect(service).toMatchObject({
      image: `\${STINT_IMAGE:-stint:${version}}`,
      read_only: true,
      cap_drop: ["ALL"],
      security_opt: ["no-new-privileges:true"],
      network_mode: expect.stringMatching(/^(none|service:mcp-server)$/),
    });
  }
  const users = services.map(([, { user }]) => Number(user.split(":")[0]));
  expect(new Set(users).size).toBe(services.length);
  expect(users).not.toContain(0);
});

test("nobody but the broker writes where the sockets are", () => {
  const mounts = services.map(([name, { volumes }]) => [name, volumes.find((one) => one.startsWith("sockets:"))]);
  expect(Object.fromEntries(mounts)).toEqual({
    broker: "sockets:/run/stint",
    "mcp-server": undefined,
    guard: "sockets:/run/stint:ro",
    agent: "sockets:/run/stint:ro",
  });
});

describe.skipIf(imageIsUnable("services of compose.yaml"))("the services", () => {
  const work = mkdtempSync(join(tmpdir(), "stint-compose-"));
  let image: Unpacked;
  beforeAll(async () => {
    await buildImage(join(work, "image.tar"));
    image = unpackImage(join(work, "image.tar"), work);
  }, BUILD_MS_MAX);
  afterAll(() => rmSync(work, { recursive: true, force: true }));

  test("show what the guide says: a step's credential opens what it was granted, and nothing once the step is closed", async () => {
    const { up, execute } = createServices(image, work);
    const agent = await up("agent");
    const said = (await agent.out).trimEnd().replace(/\d+ s left/, "118 s left");
    const guide = readFileSync(join(ROOT, "docs/guides/try-with-containers.md"), "utf8");
    const shown = [...guide.matchAll(/^agent-1 {2}\| (.*)$/gm)].map(([, line]) => line);
    expect(said.split("\n")).toEqual(shown);
    expect(await agent.exited).toBe(0);

    expect(await execute("broker", ["stint", "-o", "jsonl", "history", "steps"])).toContain('"COMPLETED"');
    const broker = await up("broker");
    process.kill(broker.first, "SIGTERM");
    expect(await broker.exited).toBe(0);
  });
});
