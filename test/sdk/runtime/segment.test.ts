import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseSegment } from "../../../src/domain/spiffe-id.ts";
import { segment } from "../../../src/sdk/runtime/index.ts";

/** All of UTF-16, unpaired surrogates included, and text that looks like a segment or like a made one. */
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
  fc.stringMatching(/^[A-Za-z0-9._-]{1,140}$/),
  fc.stringMatching(/^[a-z]{0,5}--[a-z2-7]{26}$/),
  fc.string().map(segment),
);

describe("a segment of a framework's own id", () => {
  test("is always a single SPIFFE path segment", () => {
    fc.assert(
      fc.property(text, (id) => {
        expect(parseSegment(segment(id), "run_id")).toBe(segment(id));
      }),
    );
  });

  test("is another one for another id", () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(segment(a) === segment(b)).toBe(a === b);
      }),
    );
  });

  test("is never what an id that stays itself already is", () => {
    fc.assert(
      fc.property(text, (id) => {
        expect(segment(segment(id)) === segment(id)).toBe(segment(id) === id);
      }),
    );
  });

  test.for([
    { id: "run-42.a_b", is: "run-42.a_b" },
    { id: "a".repeat(128), is: "a".repeat(128) },
    { id: "a--b", is: "a--b" },
  ])("of $id, which is one, is itself", ({ id, is }) => expect(segment(id)).toBe(is));

  // Pinned: a run that was named by one version must be found by the next.
  test.for([
    { what: "spaces", id: "summarize the page", is: "summarize-the-page--t4o7n7qmcv3rorrez6v5y2an2n" },
    { what: "slashes", id: "thread/1/../2", is: "thread-1-..-2--tp2nin7qekmmqjn2cs24kfgluu" },
    { what: "a dot", id: ".", is: ".--a5ot3x22hkbg4e5jekeoqu54jm" },
    { what: "nothing", id: "", is: "--4oymiquy7qobjgx36tejs35zeq" },
    { what: "other letters", id: "Übersicht", is: "bersicht--hztji4wsrxutl6h2oa2qzpiryo" },
  ])("of $what keeps what can be read and adds a hash", ({ id, is }) => expect(segment(id)).toBe(is));

  test("of too much text keeps its beginning", () => {
    expect(segment("a".repeat(129))).toMatch(/^a{100}--[a-z2-7]{26}$/);
  });

  test("tells unpaired surrogates apart, which UTF-8 does not", () => {
    expect(segment("\ud800")).not.toBe(segment("\udfff"));
  });
});
