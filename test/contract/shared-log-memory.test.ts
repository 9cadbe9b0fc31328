import type { UnixSeconds } from "../../src/domain/time.ts";
import { memoryLogDatabase, openWay } from "../memory/memory-shared-log.ts";
import { virtualClock } from "../memory/virtual-clock.ts";
import { machineOf, sharedLogContract } from "./shared-log.ts";

sharedLogContract(async () => {
  const clock = virtualClock(1_800_000_000 as UnixSeconds);
  const database = memoryLogDatabase({ clock, randomness: { bytes: (length) => Buffer.alloc(length, 1) } });
  return {
    async open(name, instance = name) {
      const way = openWay();
      return {
        log: database.connect({ name, instance, machine: machineOf(name) }, way),
        cut() {
          way.isCut = true;
        },
        mend() {
          way.isCut = false;
        },
        unanswered(how, work) {
          way.unknown = how;
          return work();
        },
      };
    },
    pass: async (ms) => clock.advance(ms),
    close: async () => undefined,
  };
});
