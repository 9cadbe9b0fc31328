import { approveCall, refuseCall } from "../../src/check/approve-call.ts";
import type { AskerPorts } from "../../src/check/asker.ts";
import type { UncheckedCall } from "../../src/check/call-request.ts";
import type { CheckPorts } from "../../src/check/check-call.ts";
import type { Grant } from "../../src/domain/grant.ts";
import type { Attested } from "../../src/domain/stages.ts";
import { APPROVAL_SECONDS } from "../api/http/introspection-scene.ts";
import { present } from "../contract/ledger-world.ts";
import { callerAs, checkScene } from "./check-scene.ts";

export const APPROVER_UID = 52;

/** Every call needs an approval, and none is permitted while risk is high. */
export const SITE = `@id("all")
permit (principal, action, resource);
@id("calls-are-approved")
@approval("operators")
forbid (principal, action, resource) when { context.act == Act::"call" };
@id("not-at-risk")
forbid (principal, action, resource) when { context.risk.highest == RiskLevel::"high" };`;

/** The scene of calls, where policies hold calls back, and somebody approves them. */
export async function callApprovalScene(
  own: { readonly grant?: Grant; readonly ports?: Partial<CheckPorts & AskerPorts> } = {},
) {
  const scene = await checkScene(own);
  const { world, store } = scene;
  await scene.activate(SITE);
  const approverEntry = await world.enter({
    kind: "operator",
    name: world.name(),
    selectors: [`unix:uid:${APPROVER_UID}`],
    role: "approver",
  });
  const approver = callerAs(APPROVER_UID, approverEntry);
  const ports = {
    ...scene.ports,
    steps: store.steps,
    callApprovals: store.callApprovals,
    approvalSeconds: APPROVAL_SECONDS,
  };

  /** Asks about a call that is to wait. */
  const askPending = (call: Partial<UncheckedCall> = {}, ...rest: readonly [Attested?, Partial<CheckPorts>?]) =>
    scene.ask({ acceptPending: true, ...call }, ...rest);

  /** @returns the id of the approval that the call waits for. */
  async function pendingId(call: Partial<UncheckedCall> = {}, caller?: Attested): Promise<string> {
    const answer = await askPending(call, caller);
    if (answer.effect === "allow" || answer.pending === undefined) throw new TypeError(JSON.stringify(answer));
    return answer.pending.approvalId;
  }

  const approvalNow = async (approvalId: string) => present(await store.callApprovals.callApproval(approvalId));

  return {
    ...scene,
    ports,
    approverEntry,
    approver,
    askPending,
    pendingId,
    approvalNow,
    async approve(approvalId: string, by: Attested = approver, digest?: string) {
      const requestDigest = digest ?? (await approvalNow(approvalId)).requestDigest;
      return approveCall(by, { approvalId, requestDigest, reason: "looked at it" }, ports);
    },
    refuse: (approvalId: string, by: Attested = approver) => refuseCall(by, { approvalId, reason: "not today" }, ports),
    waiting: () => store.history.callApprovals({ states: ["waiting"], now: scene.clock.now(), limit: 100 }),
  };
}
