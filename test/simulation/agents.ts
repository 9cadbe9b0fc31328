import { readCertificate } from "../../src/domain/certificate.ts";
import { isDenial } from "../../src/domain/errors.ts";
import { narrowTo } from "../../src/domain/grant.ts";
import type { OpenedStep } from "../../src/domain/step.ts";
import type { SvidWanted } from "../../src/issue/entitle.ts";
import { certificationRequest, p256 } from "../samples/certification-request.ts";
import { ask, requestWith } from "./ask.ts";
import { AUDIENCES, countedBy, IDENTITY } from "./cast.ts";
import { at, isIn, isProcess } from "./choose.ts";
import type { EventOf } from "./events.ts";
import type { World } from "./world.ts";

const CSR = certificationRequest(p256());

/** A token with so many calls at most, or with all that its step has there. */
function forAudience(audience: string, { grant }: OpenedStep, calls: number | undefined) {
  const less = calls === undefined ? {} : { grant: countedBy(narrowTo(grant, audience), calls) };
  return { audiences: [audience], ...less };
}

/** Those who execute steps, and ask for credentials. */
export function agents(world: World) {
  const { actor, guarded, delivered } = world;

  return {
    async issue(event: EventOf<"issue">): Promise<void> {
      const step = at(world.steps(), event.step);
      if (step === undefined) return;
      const { executor } = step;
      const by = actor(event.by, executor.kind === "process" ? isProcess(executor.process) : isIn(2));
      const wanted = event.wanted.map(
        (one): SvidWanted =>
          one === "x509"
            ? { kind: "x509-svid", csr: CSR }
            : { kind: "jwt-svid", ...forAudience(AUDIENCES[one] ?? IDENTITY, step, event.calls) },
      );
      const answers = await guarded(() => world.broker.issue(by, { stepId: step.stepId, wanted }));
      for (const [index, answer] of (answers ?? []).entries()) {
        if (isDenial(answer)) continue;
        const { certificate } = answer.authority;
        delivered.push({
          delivery: answer,
          to: by,
          ca: certificate === undefined ? undefined : readCertificate(certificate).subject,
        });
        const audience = AUDIENCES[Number(event.wanted[index])] ?? IDENTITY;
        const element = at(narrowTo(step.grant, audience), event.step);
        if (answer.kind !== "jwt-svid" || element === undefined) continue;
        const request = requestWith(answer.svid, element, audience);
        await Promise.all(Array.from({ length: event.uses }, () => ask(world, actor(1, isIn(21)), request)));
      }
    },
  };
}
