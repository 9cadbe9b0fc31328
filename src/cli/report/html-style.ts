/**
 * The style of a report: light and dark as the reader has it, 320 px to wide, and for paper. Every pair of colors has a contrast of
 * 4.5 to 1 or more (WCAG 2.2, 1.4.3).
 */
export const REPORT_STYLE = `
:root { color-scheme: light dark; --ink: #1b1b1f; --quiet: #55555e; --paper: #ffffff; --line: #8a8a94; --shade: #f2f2f5; --link: #0b4fb3; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ececf0; --quiet: #b4b4be; --paper: #16161a; --line: #7c7c88; --shade: #23232a; --link: #8ab4ff; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 72rem; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); font-size: 1.35rem; }
h3 { margin-top: 2rem; font-size: 1.1rem; }
h1, h2, h3, p, li, dd, td, th, code { overflow-wrap: anywhere; }
a { color: var(--link); }
a:focus-visible, pre:focus-visible, .wide:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: 0.25rem 1rem; }
dt { color: var(--quiet); }
dd { margin: 0; }
@media (max-width: 34rem) { dl { display: block; } dd { margin: 0 0 0.5rem; } }
.wide { overflow-x: auto; }
table { border-collapse: collapse; min-width: 20rem; }
caption { text-align: left; font-weight: 600; }
th, td { border: 1px solid var(--line); padding: 0.3rem 0.6rem; text-align: left; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
code, pre { font-family: ui-monospace, monospace; font-size: 0.875rem; }
pre { overflow-x: auto; padding: 0.75rem; border: 1px solid var(--line); background: var(--shade); direction: ltr; unicode-bidi: isolate; white-space: pre-wrap; overflow-wrap: anywhere; }
.note { padding-left: 0.75rem; border-left: 4px solid var(--line); }
.quiet { color: var(--quiet); }
@media print {
  :root { --ink: #000000; --quiet: #333333; --paper: #ffffff; --shade: #ffffff; --link: #000000; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  h2, h3 { break-after: avoid; }
  tr, pre { break-inside: avoid; }
}
`;
