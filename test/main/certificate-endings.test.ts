import { expect, test } from "vitest";
import { addSeconds, type UnixSeconds } from "../../src/domain/time.ts";
import { endingLines, endingsOf } from "../../src/main/certificate-endings.ts";

const DAY = 86_400;
/** 2026-11-22T10:00:00Z. */
const NOW = 1_795_341_600 as UnixSeconds;

function lived(fromDays: number, toDays: number) {
  return {
    setting: "http.tls",
    notBefore: addSeconds(NOW, fromDays * DAY),
    expiresAt: addSeconds(NOW, toDays * DAY),
  };
}

test.for([
  { what: "with a third of its life left, when ACME clients renew, is in order", life: lived(-60, 30), says: [] },
  { what: "with more than a tenth of its life left is in order", life: lived(-89, 10), says: [] },
  {
    what: "in the last tenth of its life is warned of",
    life: lived(-90, 10),
    says: ["http.tls: the certificate ends at 2026-12-02T10:00:00Z"],
  },
  { what: "that lives for years is in order until a month before its end", life: lived(-3_600, 31), says: [] },
  {
    what: "that lives for years is warned of a month before its end",
    life: lived(-3_600, 30),
    says: ["http.tls: the certificate ends at 2026-12-22T10:00:00Z"],
  },
  {
    what: "that has ended is told as such: the end is no part of its life",
    life: lived(-90, 0),
    says: ["http.tls: the certificate is not valid now: it ended at 2026-11-22T10:00:00Z"],
  },
  {
    what: "that is yet to begin is told as such",
    life: lived(1, 90),
    says: ["http.tls: the certificate is not valid now: it is not valid before 2026-11-23T10:00:00Z"],
  },
])("a certificate $what", ({ life, says }) => {
  expect(endingsOf([life], NOW).map(({ why }) => why)).toEqual(says);
});

test("the log is told when an ending comes up, once a day while it lasts, and anew when it is another", () => {
  const lines: string[] = [];
  let nowMs = 0;
  const tell = endingLines(
    { warning: (what, facts) => void lines.push(`${nowMs / 3_600_000} h: ${what}: ${facts?.["why"]}`) },
    { monotonicMs: () => nowMs },
  );
  const soon = { setting: "http.tls", kind: "soon", why: "soon" } as const;
  const over = { setting: "http.tls", kind: "not-now", why: "over" } as const;
  for (let hour = 0; hour <= 50; hour += 1) {
    nowMs = hour * 3_600_000;
    tell(hour < 49 ? [soon] : [over]);
    tell(hour < 49 ? [soon] : [over]);
  }
  tell([]);
  tell([over]);
  expect(lines).toEqual([
    "0 h: a certificate ends soon: soon",
    "24 h: a certificate ends soon: soon",
    "48 h: a certificate ends soon: soon",
    "49 h: a certificate is not valid now: over",
    "50 h: a certificate is not valid now: over",
  ]);
});
