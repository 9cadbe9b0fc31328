import fc from "fast-check";
import { expect, test } from "vitest";
import { createProcessAges } from "../../src/follow/process-ages.ts";

const startedAt = (startTimeTicks: number, pid: number) => ({
  process: { bootId: "boot", pidNamespace: "4026531836", pid, startTimeTicks },
});

test("whatever comes and goes in whatever order, those that started since are told, each once", () => {
  const ticks = fc.nat({ max: 9 });
  const acts = fc.array(fc.record({ ticks, removes: fc.option(fc.nat()) }), { maxLength: 60 });
  fc.assert(
    fc.property(acts, ticks, (given, since) => {
      const ages = createProcessAges<ReturnType<typeof startedAt>>();
      const there: ReturnType<typeof startedAt>[] = [];
      given.forEach(({ ticks: at, removes }, pid) => {
        const one = startedAt(at, pid);
        there.push(one);
        ages.put(one);
        if (removes === null) return;
        const [gone] = there.splice(removes % there.length, 1);
        // The second time it is not there any more.
        for (let times = 0; times < 2; times += 1) if (gone !== undefined) ages.remove(gone);
      });
      const told = [...ages.since(since)];
      expect(new Set(told)).toEqual(new Set(there.filter(({ process }) => process.startTimeTicks >= since)));
      expect(told).toHaveLength(new Set(told).size);
      ages.clear();
      expect([...ages.since(0)]).toEqual([]);
    }),
  );
});
