import { decodeJwt } from "jose";
import { expect, test } from "vitest";
import { FILES, MCP, pathScene } from "../open/path-scene.ts";

test("a token names each of its audiences once: an order that repeats one is refused, and the others of the batch are not", async () => {
  const { broker, researcher, runtime, openForAudiences } = await pathScene();
  const { stepId } = await openForAudiences(runtime);
  const [repeated, several] = await broker.issue(researcher, {
    stepId,
    wanted: [
      { kind: "jwt-svid", audiences: [MCP, FILES, MCP] },
      { kind: "jwt-svid", audiences: [MCP, FILES] },
    ],
  });
  expect(repeated).toMatchObject({ kind: "denial", code: "AUDIENCE_INVALID" });
  expect(several).toMatchObject({ kind: "jwt-svid" });
  if (several?.kind !== "jwt-svid") return;
  expect(decodeJwt(Buffer.from(several.svid).toString("latin1")).aud).toEqual([MCP, FILES]);
});
