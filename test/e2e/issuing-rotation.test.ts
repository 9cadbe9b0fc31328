import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from "jose";
import { expect, onTestFinished, test } from "vitest";
import { AuthorityState } from "../../src/gen/stint/v1/authorities_pb.js";
import { SvidKind } from "../../src/gen/stint/v1/types_pb.js";
import { startDaemon } from "../daemon.ts";
import { SEARCH } from "./entries.ts";
import { OWN_ENTRIES, runtimeAt } from "./one-user.ts";
import { operatorOf } from "./operator.ts";

test("tokens are issued without a gap while one key follows another, each signed by the key that its header names", async () => {
  const daemon = await startDaemon({ entries: OWN_ENTRIES });
  onTestFinished(() => daemon[Symbol.asyncDispose]());
  using operator = operatorOf(daemon.operatorSocket);
  const runtimes = Array.from({ length: 4 }, () => runtimeAt(daemon.workloadSocket));
  onTestFinished(() => {
    for (const runtime of runtimes) runtime[Symbol.dispose]();
  });

  const tokens: string[] = [];
  let isOver = false;
  const issuing = Promise.all(
    runtimes.map(async (runtime) => {
      while (!isOver) {
        // A step has 50 tokens a second.
        const step = await runtime.open();
        for (let count = 0; count < 10 && !isOver; count += 1) tokens.push(await runtime.token(step, SEARCH));
      }
    }),
  );
  const issued = async () => {
    const before = tokens.length;
    while (tokens.length < before + 20) await Promise.race([issuing, new Promise((resolve) => setImmediate(resolve))]);
  };
  const keys = async () => (await (await fetch(`${daemon.httpUrl}/jwks.json`)).json()) as JSONWebKeySet;

  const known = new Map<string | undefined, JSONWebKeySet["keys"][number]>();
  const kids: string[] = [];
  try {
    for (let rotation = 0; rotation < 3; rotation += 1) {
      await issued();
      const { authority } = await operator.authorities.prepare({ kind: SvidKind.JWT });
      const { authorityId = "" } = authority ?? {};
      for (const key of (await keys()).keys) known.set(key.kid, key);
      await operator.authorities.activate({ authorityId, now: true });
      kids.push(authorityId);
      await issued();
    }
  } finally {
    isOver = true;
    await issuing;
  }

  const verified = createLocalJWKSet({ keys: [...known.values()] });
  for (const token of tokens) await jwtVerify(token, verified, { audience: SEARCH });
  const named = new Set(tokens.map((token) => decodeProtectedHeader(token).kid));
  expect([...kids].every((kid) => named.has(kid))).toBe(true);

  const { authorities } = await operator.authorities.list({});
  const first = authorities.find(({ kind, state }) => kind === SvidKind.JWT && state === AuthorityState.OLD);
  await operator.authorities.revoke({ authorityId: first?.authorityId ?? "" });
  await using again = await (async () => {
    await daemon.stop();
    return daemon.restart();
  })();
  using runtime = runtimeAt(again.workloadSocket);
  expect(decodeProtectedHeader((await runtime.open()).token).kid).toBe(kids.at(-1));
});
