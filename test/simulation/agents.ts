import { readCertificate } from "../../src/domain/certificate.ts";
import { type Denial, isDenial } from "../../src/domain/errors.ts";
import { narrowTo } from "../../src/domain/grant.ts";
import type { Delivery } from "../../src/domain/stages.ts";
import type { OpenedStep } from "../../src/domain/step.ts";
import type { SvidWanted } from "../../src/issue/entitle.ts";
import { certificationRequest, p256 } from "../samples/certification-request.ts";
import { ask, requestWith } from "./ask.ts";
import { AUDIENCES, countedBy, IDENTITY } from "./cast.ts";
import { at, isIn, isProcess } from "./choose.ts";
import type { EventOf } from "./events.ts";
import type { SimulatedProcess } from "./kernel.ts";
import type { Delivered, World } from "./world.ts";

export const CSR = certificationRequest(p256());

/** A token with so many calls at most, or with all that its step has there. */
function forAudience(audience: string, { grant }: OpenedStep, calls: number | undefined) {
  const less = calls === undefined ? {} : { grant: countedBy(narrowTo(grant, audience), calls) };
  return { audiences: [audience], ...less };
}

/** Asks for a step's credentials, and notes what is delivered. @returns that, in the order in which it was asked for */
export async function issued(
  world: World,
  who: number,
  { stepId, executor }: OpenedStep,
  wanted: readonly SvidWanted[],
  apart = false,
): Promise<readonly (Delivered | undefined)[]> {
  const { actor, guarded, broker } = world;
  const to = actor(who, executor.kind === "process" ? isProcess(executor.process) : isIn(2));
  const answers = await guarded(() => (apart ? broker.issueApart : broker.issue)(to, { stepId, wanted }));
  return noted(world, to, answers ?? [], apart);
}

/** Notes what of these answers was delivered. */
export function noted(
  { delivered }: World,
  to: SimulatedProcess,
  answers: readonly (Delivery | Denial)[],
  apart = false,
): readonly (Delivered | undefined)[] {
  return answers.map((delivery) => {
    if (isDenial(delivery)) return undefined;
    const { certificate } = delivery.authority;
    const ca = certificate === undefined ? undefined : readCertificate(certificate).subject;
    const one = { delivery, to, ca, apart };
    delivered.push(one);
    return one;
  });
}

/** Those who execute steps, and ask for credentials. */
export function agents(world: World) {
  const { actor } = world;

  return {
    async issue(event: EventOf<"issue">): Promise<void> {
      const step = at(world.steps(), event.step);
      if (step === undefined) return;
      const wanted = event.wanted.map(
        (one): SvidWanted =>
          one === "x509"
            ? { kind: "x509-svid", csr: CSR }
            : { kind: "jwt-svid", ...forAudience(AUDIENCES[one] ?? IDENTITY, step, event.calls) },
      );
      const apart = event.apart && world.replica !== undefined;
      const answers = await issued(world, event.by, step, wanted, apart);
      for (const [index, { delivery: answer } = {}] of answers.entries()) {
        if (answer === undefined) continue;
        const audience = AUDIENCES[Number(event.wanted[index])] ?? IDENTITY;
        const element = at(narrowTo(step.grant, audience), event.step);
        if (answer.kind !== "jwt-svid" || element === undefined) continue;
        const request = requestWith(answer.svid, element, audience);
        await Promise.all(Array.from({ length: event.uses }, () => ask(world, actor(1, isIn(21)), request)));
      }
    },
  };
}
