import { BrokerError } from "../domain/errors.ts";
import { sortedSet } from "../domain/sorted-set.ts";
import type { ExternalPolicy } from "../ports/external-policy.ts";
import type { PolicyAnswer, PolicyEffect, PolicyEngine, PolicyFinding, PolicyRequest } from "../ports/policy-engine.ts";

const UNANSWERED: PolicyEffect = { effect: "deny", policies: [] };

/**
 * An engine that asks two at the same time. Both must allow: the whole, and each element.
 *
 * Policies of the external one are named with its name before them. What the engine holds back for approval can be
 * approved only where the external one allows it; the external one offers no approval itself.
 *
 * Where the external one does not answer, what the engine denies stays denied: altogether, or of an open step any part,
 * since a step goes on with all that it holds or not at all. The record says then that the other could not be asked. Anything
 * else is NOT_SERVING: a silence revokes no step, and permits none.
 */
export function withExternal(engine: PolicyEngine, external: ExternalPolicy): PolicyEngine {
  return {
    check: (set) => engine.check(set),
    load: (root, set) => engine.load(root, set),
    unload: (root) => engine.unload(root),
    async evaluate(root, request) {
      const [own, foreign] = await Promise.allSettled([engine.evaluate(root, request), ask(external, request)]);
      if (own.status === "rejected") throw own.reason;
      if (foreign.status === "fulfilled")
        return merged(own.value, named(foreign.value, external), request.elements.length);
      if (!isDecided(own.value, request)) throw foreign.reason;
      return withSilence(own.value, external);
    },
    async close() {
      await Promise.all([engine.close(), external.close()]);
    },
  };
}

/**
 * An engine for a broker whose policies are all elsewhere. A set that holds policies is refused: nothing would evaluate
 * them, and who put them in force would think otherwise. Classes of data belong to a set without policies too.
 */
export function externalAlone(external: ExternalPolicy): PolicyEngine {
  const check: PolicyEngine["check"] = async ({ policies }) =>
    policies.map(
      ({ policyId, file, line }): PolicyFinding => ({
        file,
        line,
        column: 1,
        policyId,
        message: `nothing here evaluates it: ${external.name} decides alone`,
      }),
    );
  return {
    check,
    async load(_root, set) {
      if ((await check(set)).length === 0) return;
      const message = `policies: a set without policies, since ${external.name} decides alone`;
      throw new BrokerError("INVALID_FIELD", message, { metadata: { field: "policies" } });
    },
    unload: () => undefined,
    evaluate: async (_root, request) => named(await ask(external, request), external),
    close: () => external.close(),
  };
}

/**
 * An answer that is no decision permits nothing, and of an open step it counts as none: an engine that is up without its
 * policies must not end what is under way.
 */
async function ask(external: ExternalPolicy, request: PolicyRequest): Promise<PolicyAnswer> {
  const answer = await external.evaluate(request);
  if (request.act !== "judge") return answer;
  const errors = sortedSet([answer.whole, ...answer.elements].flatMap((one) => one.errors ?? []));
  if (errors.length === 0) return answer;
  const detail = errors.map((error) => `${external.name}:${error}`).join(", ");
  throw new BrokerError("NOT_SERVING", "the external policy engine gives no decision", { detail });
}

/** An engine that could not evaluate something has not allowed it, whatever it says. */
function denies({ effect, errors }: PolicyEffect): boolean {
  return effect !== "allow" || errors !== undefined;
}

/** What a denial without a name is recorded under, so that nobody takes it for the broker's own. */
const UNNAMED = ["unnamed"];

function named({ whole, elements }: PolicyAnswer, { name }: ExternalPolicy): PolicyAnswer {
  const naming = (one: PolicyEffect): PolicyEffect => ({
    effect: denies(one) ? "deny" : "allow",
    policies: policiesOf(one).map((policy) => `${name}:${policy}`),
    ...(one.errors === undefined ? {} : { errors: one.errors.map((error) => `${name}:${error}`) }),
  });
  return { whole: naming(whole), elements: elements.map(naming) };
}

function policiesOf({ effect, policies, errors }: PolicyEffect): readonly string[] {
  return effect === "deny" && policies.length === 0 && errors === undefined ? UNNAMED : policies;
}

function merged(own: PolicyAnswer, foreign: PolicyAnswer, count: number): PolicyAnswer {
  return {
    whole: both(own.whole, foreign.whole),
    elements: Array.from({ length: count }, (_, index) =>
      both(own.elements[index] ?? UNANSWERED, foreign.elements[index] ?? UNANSWERED),
    ),
  };
}

/** A deny names the policies of those who deny: they determined it. */
function both(own: PolicyEffect, foreign: PolicyEffect): PolicyEffect {
  const denying = [own, foreign].filter(denies);
  const determining = denying.length === 0 ? [own, foreign] : denying;
  const errors = sortedSet(denying.flatMap((one) => one.errors ?? []));
  return {
    effect: denying.length === 0 ? "allow" : "deny",
    policies: sortedSet(determining.flatMap(({ policies }) => policies)),
    ...(errors.length === 0 ? {} : { errors }),
    ...(own.approval !== undefined && !denies(foreign) ? { approval: own.approval } : {}),
  };
}

/** Whether a deny stands, whatever else is said. */
function isDecided({ whole, elements }: PolicyAnswer, { act }: PolicyRequest): boolean {
  return denies(whole) || (act === "judge" ? elements.some(denies) : elements.every(denies));
}

/** Nothing can be approved of which one engine has said nothing. */
function withSilence({ whole, elements }: PolicyAnswer, { name }: ExternalPolicy): PolicyAnswer {
  const silent: PolicyEffect = { effect: "deny", policies: [], errors: [`${name}:no_answer`] };
  return { whole: both(whole, silent), elements: elements.map((one) => both(one, silent)) };
}
