import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import process from "node:process";
import { expect, test } from "vitest";
import { Steps } from "../../src/gen/stint/v1/steps_pb.js";
import { openChannel } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import { runStint } from "../cli/running.ts";
import { startDaemon } from "../daemon.ts";
import { OWN_ENTRIES, openStep, sessionWith, startOwnDaemon } from "../faults/daemon-scene.ts";
import { READ_SEARCH } from "./entries.ts";

const UID = process.getuid?.() ?? 0;
const EXECUTABLE = {
  executable: basename(process.execPath),
  executableSha256: createHash("sha256").update(readFileSync(process.execPath)).digest(),
};

test("a refusal by policy is on record with the program that was refused, and the operator is shown it", async () => {
  const daemon = await startOwnDaemon();
  const session = sessionWith(daemon);
  const above = { elements: [{ ...READ_SEARCH, actions: ["write"] }] };
  const newest = async () => (await session.operator.history.listDecisions({})).decisions[0];
  let message = "";
  // A refusal does not wait for long until the executable is read, so that it may be the next one that says its digest.
  await eventually(async () => {
    message = await openStep(session, "above", { grant: above }).then(String, (error: Error) => error.message);
    return (await newest())?.caller?.executableSha256;
  }).toEqual(EXECUTABLE.executableSha256);
  const decision = await newest();
  expect(decision).toMatchObject({ reason: "POLICY_DENIED", caller: { uid: UID, ...EXECUTABLE } });
  // What was told is recorded, but for where an operator is shown more, which names the record itself.
  const where = `; an operator sees why, and what would pass: stint explain ${decision?.decisionId}`;
  expect(message).toBe(`${decision?.message}${where}`);
  expect(decision?.caller?.selectors).toContain(`unix:uid:${UID}`);
  expect(JSON.stringify(decision?.caller?.selectors)).not.toContain(process.execPath);

  const shown = await runStint(["--operator-socket", daemon.operatorSocket, "history", "decisions", "-o", "json"]);
  expect(JSON.parse(shown.out)[0]).toMatchObject({
    message: decision?.message,
    caller: {
      uid: UID,
      executable: EXECUTABLE.executable,
      executable_sha256: EXECUTABLE.executableSha256.toString("hex"),
    },
  });
  const table = await runStint(["--operator-socket", daemon.operatorSocket, "history", "decisions"]);
  expect(table.out).toContain(`${UID} ${EXECUTABLE.executable}`);
});

test("a process that no entry is for is on record as what it is", async () => {
  const elsewhere = OWN_ENTRIES.map((entry) => ({ ...entry, selectors: ["unix:uid:4000000"] }));
  await using daemon = await startDaemon({
    entries: [...elsewhere, { kind: "operator", name: "nobody", selectors: ["unix:uid:4000001"], role: "admin" }],
  });
  const channel = openChannel(daemon.workloadSocket);
  const steps = createClient(Steps, channel, { deadlineMs: 15_000 });
  await expect(steps.list({})).rejects.toMatchObject({ reason: "NO_IDENTITY" });
  channel.close();
  await daemon.stop();

  await using next = await startDaemon({ entries: OWN_ENTRIES, directory: daemon.directory });
  const { decisions } = await sessionWith(next).operator.history.listDecisions({});
  expect(decisions).toMatchObject([{ reason: "NO_IDENTITY", caller: { uid: UID, executable: EXECUTABLE.executable } }]);
  expect(decisions[0]?.message).toBe("no registration entry matches the calling process");
  const shown = await runStint(["--operator-socket", next.operatorSocket, "history", "decisions", "-o", "json"]);
  // What a decision is not about is null, and has its member as everywhere.
  expect(JSON.parse(shown.out)).toMatchObject([{ run_id: null, step: null, attempt: null }]);
});
