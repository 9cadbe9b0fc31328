// Each line under @ts-expect-error must not compile: the type checker turns red as soon as one does.
import type { Authority } from "../../src/domain/authority.ts";
import type { IssuanceRecord } from "../../src/domain/issuance.ts";
import type { Attested, Delivery, Drafted, Entitled, Recorded, Signed } from "../../src/domain/stages.ts";
import type { deliver } from "../../src/issue/deliver.ts";
import type { draft } from "../../src/issue/draft.ts";
import type { issueSvids } from "../../src/issue/issue-svids.ts";
import type { sign } from "../../src/issue/sign.ts";
import type { CommitSigner } from "../../src/ports/commit-signer.ts";
import type { Signer } from "../../src/ports/signer.ts";

declare const attested: Attested;
declare const entitled: Entitled;
declare const drafted: Drafted;
declare const signed: Signed;
declare const record: IssuanceRecord;
declare const authority: Authority;
declare const signer: Signer;
declare const commitSigner: CommitSigner;
declare const stage: {
  readonly draft: typeof draft;
  readonly sign: typeof sign;
  readonly deliver: typeof deliver;
  readonly issueSvids: typeof issueSvids;
};

export function nothingIsSignedBeforeItIsRecorded(): void {
  // @ts-expect-error a draft has no durable row
  void signer.signSvid(drafted);
  // @ts-expect-error a look-alike has none either: only the recording stage makes a Recorded
  void signer.signSvid({ record, toBeSigned: new Uint8Array(), authority, sequence: 1 });
  // @ts-expect-error the ledger's thread signs no draft either
  commitSigner.sign(drafted);
  // @ts-expect-error nor what only looks like its row
  commitSigner.sign({ record, toBeSigned: new Uint8Array(), sequence: 1 });
  // @ts-expect-error nor do bare bytes
  void signer.signSvid(new Uint8Array());
  // @ts-expect-error the signing stage takes no drafts
  void stage.sign([drafted], {});
}

export function noStageIsSkipped(): void {
  // @ts-expect-error what is entitled is not yet signed
  void stage.deliver([entitled], {});
  // @ts-expect-error an attested caller is entitled to nothing yet
  void stage.draft([attested], {});
  // @ts-expect-error a signed credential leaves only through delivery
  const delivery: Delivery = signed;
  // @ts-expect-error a record of an issuance is not the issuance
  const recorded: Recorded = { record, toBeSigned: new Uint8Array(), authority, sequence: 1 };
  void delivery;
  void recorded;
}

export function nobodyBecomesACallerByClaimingToBeOne(): void {
  const claimed = { selectors: new Set(), process: attested.process, uid: 0, entries: [] };
  // @ts-expect-error only attest() makes an Attested
  void stage.issueSvids(claimed, { stepId: "step_1", wanted: [] }, {});
}
