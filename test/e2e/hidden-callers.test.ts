import { chownSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { isRoot, succeeds } from "../adapters/attestor-unix/peer-processes.ts";
import { startDaemon } from "../daemon.ts";
import { callerAs } from "./as-user.ts";
import { UID } from "./entries.ts";

/** Its own mount of /proc, which shows it no process of another user. */
const WITH_HIDEPID = [
  ...["unshare", "--mount", "sh", "-c"],
  `mount -t proc -o hidepid=2 proc /proc && exec setpriv --reuid=${UID.otherRuntime} --regid=${UID.otherRuntime} --clear-groups "$@"`,
  "sh",
];
const IN_PID_NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];

/*
 * The caller is in order, and matches an entry; the broker only can't see it. The client has to be told that, since
 * nobody looks for the cause of "no identity" in how the broker was started.
 */
test.skipIf(!isRoot).for([
  { where: "with a /proc that hides other users' processes", wrapper: WITH_HIDEPID, says: "hidepid" },
  { where: "in a PID namespace that the caller is not in", wrapper: IN_PID_NAMESPACE, says: "PID namespace" },
])("a broker $where says so to the caller, in every answer", async ({ wrapper, says }, { skip }) => {
  skip(!succeeds([...wrapper, "true"]), "needs leave to make namespaces");
  const directory = mkdtempSync(join(tmpdir(), "stint-hidden-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  if (wrapper === WITH_HIDEPID) chownSync(directory, UID.otherRuntime, UID.otherRuntime);
  const entries = [{ kind: "agent", name: "researcher", selectors: [`unix:uid:${UID.agent}`], may_open: true }];
  await using daemon = await startDaemon({ directory, entries, wrapper });
  await using caller = await callerAs({ uid: UID.agent }, daemon.workloadSocket);

  const refusal = { code: "PERMISSION_DENIED", reason: "NO_IDENTITY", message: expect.stringContaining(says) };
  const opening = caller.call("Steps", "open", { runId: "r", step: "s", agent: "researcher" });
  await expect(opening).rejects.toMatchObject(refusal);
  await expect(caller.call("SpiffeWorkloadAPI", "fetchJWTSVID", { audience: ["a"] })).rejects.toMatchObject(refusal);
  await expect(caller.stream("SpiffeWorkloadAPI", "fetchX509SVID", {}).next()).rejects.toMatchObject(refusal);
});
