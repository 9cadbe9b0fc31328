import { describe, expect, test } from "vitest";
import { html, lines } from "../../../src/cli/report/html.ts";
import { htmlReport } from "../../../src/cli/report/html-report.ts";
import { HOSTILE, reportWith } from "./made-up-report.ts";

// What a name, a reason or a model's words in a report could do to whoever opens it.

describe("markup", () => {
  test.for([
    { text: `<script>alert(1)</script>`, shown: "&lt;script&gt;alert(1)&lt;/script&gt;" },
    { text: `" onload="x`, shown: "&quot; onload=&quot;x" },
    { text: "a & b &lt; c", shown: "a &amp; b &amp;lt; c" },
    { text: "it's", shown: "it&#39;s" },
    { text: "evil\u202Etxt.exe", shown: "evil\\u{202e}txt.exe" },
    { text: "a\u0000b\u200Bc", shown: "a\\x00b\\u{200b}c" },
  ])("of a text escapes it: $text", ({ text, shown }) => {
    expect(html`<p title="${text}">${text}</p>`.markup).toBe(`<p title="${shown}">${shown}</p>`);
  });

  test("of lines keeps line feeds and nothing else that moves text", () => {
    expect(lines("a\nb\r\u2028<c>").markup).toBe("a\nb\\x0d\\u{2028}&lt;c&gt;");
  });
});

describe("a report in HTML", () => {
  const page = htmlReport(reportWith(HOSTILE));

  test("has of hostile names their text alone, in groups, events and words of the broker", () => {
    expect(page).not.toContain("<img");
    expect(page).not.toContain("\u202E");
    expect(page.match(/&lt;img src=x onerror=alert\(1\)&gt;/g)?.length).toBeGreaterThan(3);
    expect(page).toContain("&#39;&quot;&gt;&lt;script&gt;");
  });

  test("loads, sends and runs nothing", () => {
    expect(page).not.toMatch(/<(script|link|img|iframe|object|embed|form|video|audio|svg|base)\b/i);
    expect(page).not.toMatch(/\s(on[a-z]+|style|srcset|action|ping)="/i);
    expect(page.match(/\s(?:href|src)="[^"]*"/g)?.every((target) => target.startsWith(' href="#'))).toBe(true);
    expect(page).toMatch(
      /content="default-src &#39;none&#39;; style-src &#39;sha256-[A-Za-z0-9+/=]+&#39;; base-uri &#39;none&#39;/,
    );
    expect(page).not.toMatch(/@import|url\(/);
  });

  test("is one document with a language, a title and a heading for each part, none left out between", () => {
    expect(page.startsWith('<!doctype html>\n<html lang="en">')).toBe(true);
    expect(page.match(/<h1 /g)).toHaveLength(1);
    const levels = [...page.matchAll(/<h([1-6])\b/g)].map(([, level]) => Number(level));
    expect(levels.every((level, index) => level <= (levels[index - 1] ?? 0) + 1)).toBe(true);
    expect(page).toContain('<meta name="viewport" content="width=device-width, initial-scale=1">');
  });

  test("has tables with captions and heads, and links that lead somewhere", () => {
    const tables = page.split("<table>").slice(1);
    expect(tables.length).toBeGreaterThan(1);
    for (const table of tables) expect(table).toMatch(/^\n<caption>[^<]+<\/caption>\n<thead><tr><th scope="col">/);
    const ids = new Set([...page.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id));
    const targets = [...page.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id);
    expect(targets.filter((id) => !ids.has(id))).toEqual([]);
    expect([...page.matchAll(/\sid="/g)]).toHaveLength(ids.size);
    expect([...ids].filter((id) => !/^[A-Za-z0-9.-]+$/.test(id ?? ""))).toEqual([]);
  });

  test("says for each control what is not covered, and of one without anything that there is nothing", () => {
    expect(page.match(/<strong><bdi>Not covered\. <\/bdi><\/strong>/g)).toHaveLength(2);
    expect(page).toContain('<p class="note"><bdi>Stint does nothing for this.</bdi></p>');
  });
});
