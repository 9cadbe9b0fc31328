import type { Attested } from "../../domain/stages.ts";
import type { SvidSource } from "../../stream/svid-stream.ts";
import { begin, type Call, type Endpoint } from "./call.ts";

/** A call that goes on issuing after its first answer: each of its acts is attested and logged by itself. */
export type StreamActs = {
  /** Runs the call's first act, which ends with the first answer. */
  run<T>(act: () => Promise<T>): Promise<T>;
  /** Attests the other end, as it is now. */
  attested(): Promise<Attested>;
  /** The first answer is there: what is issued from now on is an act of its own. */
  answered(): void;
  /** A source whose issuances are acts of this call. */
  sourceOf(source: SvidSource): SvidSource;
};

/** @param method - the name that the first act is logged and counted by; later ones have this name and `.Renew`. */
export function streamActs(endpoint: Endpoint, method: string, call: Call): StreamActs {
  const begun = begin(endpoint, method, call);
  let act = begun;
  let isAnswered = false;

  return {
    run: (first) => begun.run(first),
    attested: () => act.attested(),
    answered() {
      isAnswered = true;
    },
    sourceOf: (source) => ({
      ...source,
      issue(wanted) {
        if (!isAnswered) return source.issue(wanted);
        act = begin(endpoint, `${method}.Renew`, call);
        return act.run(() => source.issue(wanted));
      },
    }),
  };
}
