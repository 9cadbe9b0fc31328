import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import type { OutputFormat } from "../../../src/cli/output/output-formats.ts";
import { principalView } from "../../../src/cli/output/principal-view.ts";
import { createPrinter } from "../../../src/cli/output/printer.ts";
import { PrincipalRecordSchema } from "../../../src/gen/stint/v1/principals_pb.js";
import { collector } from "../running.ts";

const HOSTILE = "\u001b]0;owned\u0007\u202egnp.exe";

const record = create(PrincipalRecordSchema, {
  principalId: "ab".repeat(32),
  name: { issuer: "https://login.example.org", subject: "ada" },
  claimsJson: JSON.stringify({ department: HOSTILE, groups: [HOSTILE] }),
  openSteps: 2,
});

async function printed(format: OutputFormat): Promise<string> {
  const { stream, text } = collector();
  const printer = createPrinter(format, stream);
  await printer.rows(principalView, [record]);
  await printer.one(principalView, record);
  return text();
}

test.for(["table", "json", "jsonl", "csv"] as const)(
  "a claim can't steer or deceive a terminal: %s",
  async (format) => {
    const out = await printed(format);
    for (const control of ["\u001b", "\u0007", "\u202e"]) expect(out).not.toContain(control);
  },
);

test("as data a claim is what it was", async () => {
  const { stream, text } = collector();
  await createPrinter("json", stream).one(principalView, record);
  expect(JSON.parse(text())).toMatchObject({ claims: { department: HOSTILE, groups: [HOSTILE] }, open_steps: 2 });
});
