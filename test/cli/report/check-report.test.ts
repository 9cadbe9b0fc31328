import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { checkReport } from "../../../src/cli/report/check-report.ts";
import { FRAMEWORK_NAMES } from "../../../src/cli/report/framework-names.ts";
import type { Report } from "../../../src/cli/report/report.ts";
import { parseNoteKey } from "../../../src/domain/signed-note.ts";
import type { LedgerKeys } from "../../../src/verify/ledger-proofs.ts";
import { reportScene } from "./report-scene.ts";

// An auditor has a report, the ledger's key, and no broker.

const scene = reportScene();
let json: string;
let page: string;
let key: string;
/** Digest of the report in JSON, as the command that made it said. */
let told: string;
let keys: LedgerKeys;
beforeAll(async () => {
  const made = await scene.at(["report", "--framework", "nist-csf", "--format", "json"]);
  json = made.out;
  told = /^stint: SHA-256 of what the report says: ([0-9a-f]{64})\n$/.exec(made.err)?.[1] ?? "";
  page = (await scene.at(["report", "--framework", "nist-csf"])).out;
  key = (await scene.operator(["ledger", "key"])).out.trim();
  const log = parseNoteKey(key);
  if (log === undefined) throw new Error("no key");
  keys = { log, witnesses: [] };
}, 60_000);

/** `stint ledger check` of a file, by a command line that reaches no broker. */
const check = (text: string, by = key) =>
  scene.stint(["--operator-socket", "/nowhere", "-o", "json", "ledger", "check", "-", "--key", by], { input: text });
const changed = (change: (report: Report) => unknown) =>
  JSON.stringify(Object.assign(JSON.parse(json) as Report, change(JSON.parse(json) as Report)));

describe("a report that holds", () => {
  test("is told with what was proved, and what was not", async () => {
    const { status, out, err } = await check(json);
    expect([status, err]).toEqual([0, ""]);
    const report = JSON.parse(json) as Report;
    const proved = report.examples.flatMap((one) =>
      "proof" in one ? [{ example: one.id, sequence: one.sequence }] : [],
    );
    expect(proved.length).toBeGreaterThan(6);
    expect(JSON.parse(out)).toEqual({
      kind: "report",
      framework: "nist-csf",
      ...report.period,
      trust_domain: "example.org",
      epoch: report.ledger.epoch,
      tree_size: expect.any(Number),
      root_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      proved,
      data_sha256: told,
      not_proved: `${report.figures.length} figures: their commands count them again`,
    });
  });

  test("is checked as the page that was written, without a broker", async () => {
    const { status, out } = await check(page);
    expect(status).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ kind: "report", page: "is its data" });
  });

  test.for(FRAMEWORK_NAMES)("is so of %s, and each part of the page has a name of its own", async (framework) => {
    const { out } = await scene.at(["report", "--framework", framework]);
    expect(JSON.parse((await check(out)).out)).toMatchObject({ framework, page: "is its data" });
    const ids = [...out.matchAll(/<h[1-3] id="([^"]+)"/g)].map(([, id]) => id);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
  });

  test("has what a runtime said of its work as text, and holds all the same", async () => {
    const agentic = (await scene.at(["report", "--framework", "owasp-agentic"])).out;
    expect([agentic.includes("<img"), agentic.includes("<script")]).toEqual([false, false]);
    expect(agentic).toContain("&lt;img src=x onerror=alert(1)&gt;");
    expect(await check(agentic)).toMatchObject({ status: 0 });
  });

  test("is checked by its data where another version made the page", async () => {
    const other = page.replaceAll("stint 0.2.0", "stint 0.9.0").replace("<h1 ", "<h1  ");
    const { status, out } = await check(other);
    expect(status).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ page: "not compared: another version made it" });
  });
});

describe("a report that was changed by one character is refused:", () => {
  /** Replaces the character at a place by another one. */
  const withOther = (text: string, at: number) =>
    `${text.slice(0, at)}${text[at] === "0" ? "1" : "0"}${text.slice(at + 1)}`;

  test("a page, anywhere", () => {
    const place = fc.integer({ min: 0, max: page.length - 1 });
    fc.assert(
      fc.property(place, (at) => {
        // What made it is the one thing that a page of another version may say otherwise.
        fc.pre(!page.slice(at - 12, at + 12).includes("stint 0."));
        expect(() => checkReport(withOther(page, at), keys)).toThrow();
      }),
      { numRuns: 300 },
    );
  });

  test("JSON, in a proof, an event, a sequence or the checkpoint", () => {
    const report = JSON.parse(json) as Report;
    const proven = report.examples.filter((one) => "proof" in one);
    const example = fc.constantFrom(...proven);
    fc.assert(
      fc.property(example, fc.constantFrom("proof", "event" as const), fc.nat(), (one, part, nat) => {
        const text = part === "proof" ? one.proof : JSON.stringify(one.event);
        const other = withOther(text, nat % text.length);
        const value = part === "proof" ? other : parsed(other);
        fc.pre(value !== undefined);
        const examples = report.examples.map((each) => (each.id === one.id ? { ...one, [part]: value } : each));
        expect(() => checkReport(JSON.stringify({ ...report, examples }), keys)).toThrow(
          /^the example [a-z-]+ proves nothing: /,
        );
      }),
      { numRuns: 300 },
    );
    const { checkpoint } = report.ledger;
    fc.assert(
      fc.property(fc.integer({ min: 0, max: checkpoint.length - 1 }), (at) => {
        const ledger = { ...report.ledger, checkpoint: withOther(checkpoint, at) };
        expect(() => checkReport(JSON.stringify({ ...report, ledger }), keys)).toThrow(
          /^the checkpoint proves nothing: /,
        );
      }),
    );
  });

  function parsed(text: string): unknown {
    try {
      return JSON.parse(text);
    } catch {
      return undefined;
    }
  }
});

describe("a report is refused by name", () => {
  const of = (report: Report, id: string) => {
    const found = report.examples.find((one) => one.id === id);
    if (found === undefined || !("proof" in found)) throw new Error(`no example ${id}`);
    return found;
  };
  test.for([
    {
      when: "an example is another event's",
      change: (report: Report) => ({ examples: [{ ...of(report, "step-closed"), id: "credential-revoked" }] }),
      says: /the example credential-revoked proves nothing: event [0-9]+ is step\.closed/,
    },
    {
      when: "a decision passes for a refusal",
      change: (report: Report) => ({ examples: [{ ...of(report, "opening-refused"), id: "call-refused" }] }),
      says: /the example call-refused proves nothing: event [0-9]+ is decision\.made/,
    },
    {
      when: "an event was not recorded in the period",
      change: (report: Report) => ({ period: { ...report.period, until: report.ledger.begins_at } }),
      says: /proves nothing: its event was not recorded in the period/,
    },
    {
      when: "it names another trust domain",
      change: () => ({ trust_domain: "example.com" }),
      says: /the head proves nothing: it names another ledger/,
    },
    {
      when: "it is of another schema",
      change: () => ({ schema: "https://stint.example/report/v2" }),
      says: /it is no report/,
    },
    { when: "its examples are none", change: () => ({ examples: [null] }), says: /it is no report/ },
  ])("when $when", async ({ change, says }) => {
    const { status, out, err } = await check(changed(change));
    expect({ status, out }).toEqual({ status: 1, out: "" });
    expect(err).toMatch(says);
  });

  test("when the key is another ledger's", async () => {
    const { status, err } = await check(json, key.replace("example.org", "example.com"));
    expect({ status, err }).not.toMatchObject({ status: 0 });
  });

  test("when it is a PDF, whose attachment is what is checked", async () => {
    expect(await check("%PDF-1.7\n")).toMatchObject({ status: 2, err: expect.stringContaining("pdfdetach -saveall") });
  });

  test.for(["{", "{}", "<!doctype html>\n", "<!doctype html>\n<html></html>"])("when it is %j", async (text) => {
    expect(await check(text)).toMatchObject({ status: 1, err: expect.stringContaining("it is no report") });
  });
});
