import { BrokerError } from "../../domain/errors.ts";

/** Places for what takes long, and must not be done any number of times at once. */
export type FewAtOnce = {
  /** @returns what gives the place back. @throws BrokerError LIMIT_EXCEEDED */
  enter(): () => void;
};

/** @param what - for whoever is refused, in the plural. */
export function fewAtOnce(most: number, what: string): FewAtOnce {
  let inside = 0;
  return {
    enter() {
      if (inside >= most) throw new BrokerError("LIMIT_EXCEEDED", `at most ${most} ${what} at one time`);
      inside += 1;
      return () => {
        inside -= 1;
      };
    },
  };
}
