import { beforeEach, expect, test } from "vitest";
import { type Admission, type AdmissionBounds, createAdmission } from "../../../src/api/grpc/admission.ts";
import type { UnixSeconds } from "../../../src/domain/time.ts";
import { type VirtualClock, virtualClock } from "../../memory/virtual-clock.ts";

let clock: VirtualClock;
/** Who was let in, and "-" for each turn of the event loop that other work had in between. */
let story: string[];

beforeEach(() => {
  clock = virtualClock(1_795_341_600 as UnixSeconds);
  story = [];
});

const BOUNDS = { atOnce: 2, perTurn: 2, waitingPerPartyMax: 100, waitMsMax: 8_000, stayMsMax: 500 };
const admissionOf = (own: Partial<AdmissionBounds> = {}) => createAdmission({ ...BOUNDS, ...own }, "watchers", clock);

/** Enters and writes it down. @returns what leaves; what it is refused with where it is refused. */
function come(admission: Admission, name: string, party = "one"): Promise<() => void> {
  const entered = admission.enter(party);
  return entered.then(
    (leave) => {
      story.push(name);
      return leave;
    },
    (thrown: unknown) => {
      story.push(`${name}: ${thrown instanceof Error && "code" in thrown ? String(thrown.code) : String(thrown)}`);
      return () => undefined;
    },
  );
}

/** Other work: one piece in each turn of the event loop. */
async function work(turns: number): Promise<void> {
  for (let left = turns; left > 0; left -= 1) {
    await new Promise((resolve) => setImmediate(resolve));
    story.push("-");
  }
}

test("a storm is let in a few in each turn, and other work has its turn in between", async () => {
  const admission = admissionOf({ atOnce: 100 });
  const coming = ["a", "b", "c", "d", "e"].map((name) => come(admission, name));
  await work(4);
  await Promise.all(coming);
  expect(story).toEqual(["a", "b", "-", "c", "d", "-", "e", "-", "-"]);
});

test("who comes beyond the places waits until one is given back, however often it is given back", async () => {
  const admission = admissionOf();
  const [a, b] = await Promise.all([come(admission, "a"), come(admission, "b")]);
  const c = come(admission, "c");
  const d = come(admission, "d");
  await work(2);
  expect(story).toEqual(["a", "b", "-", "-"]);
  a?.();
  a?.();
  await work(1);
  await c;
  expect(story.slice(4)).toEqual(["c", "-"]);
  b?.();
  await d;
  expect(story.at(-1)).toBe("d");
});

test("a thousand of one party keep no other party waiting", async () => {
  const admission = admissionOf({ atOnce: 1_000, perTurn: 2 });
  const many = Array.from({ length: 50 }, (_, index) => come(admission, `m${index}`, "many"));
  const few = come(admission, "f", "few");
  await work(1);
  expect(story).toContain("f");
  await Promise.all([...many, few]);
  expect(story.filter((one) => one.startsWith("m"))).toEqual(many.map((_, index) => `m${index}`));
});

test("whoever stays in a place for long keeps nobody waiting, and may give it back all the same", async () => {
  const admission = admissionOf({ atOnce: 1 });
  const slow = await come(admission, "slow");
  const next = come(admission, "next");
  const last = come(admission, "last");
  await work(1);
  clock.advance(BOUNDS.stayMsMax);
  await next;
  slow();
  await work(2);
  expect(story).not.toContain("last");
  clock.advance(BOUNDS.stayMsMax);
  await last;
});

test("who waits too long is told to come again, and takes no place later", async () => {
  const admission = admissionOf({ atOnce: 1, stayMsMax: 100_000 });
  const leave = await come(admission, "a");
  const late = come(admission, "b");
  clock.advance(BOUNDS.waitMsMax);
  await late;
  leave();
  await come(admission, "c");
  expect(story).toEqual(["a", "b: LIMIT_EXCEEDED", "c"]);
  expect(clock.pending()).toBe(1);
});

test("of one party no more wait than may, and another party's are let in all the same", async () => {
  const admission = admissionOf({ atOnce: 1, waitingPerPartyMax: 1 });
  const leave = await come(admission, "a");
  const b = come(admission, "b");
  await come(admission, "c");
  const d = come(admission, "d", "other");
  leave();
  (await b)();
  await d;
  expect(story).toEqual(["a", "c: LIMIT_EXCEEDED", "b", "d"]);
});
