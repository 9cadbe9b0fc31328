import { create, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import type { NodeReport } from "../../src/domain/node-report.ts";
import type { ProcessIdentity } from "../../src/domain/process.ts";
import { selector } from "../../src/domain/selector.ts";
import { NodeCallerSchema } from "../../src/gen/stint/v1/nodes_pb.js";
import { decodeNodeReport, encodeNodeReport } from "../../src/wire/node-message.ts";

// Goal: what a node says arrives as it was said, and nothing in it is more than a node may say.

const machine = { bootId: "00000000-0000-4000-8000-000000000001", pidNamespace: "4026531836" };
const process = (pid: number): ProcessIdentity => ({ ...machine, pid, startTimeTicks: 10 * pid });

const REPORT: NodeReport = {
  caller: {
    process: process(5),
    uid: 1_000,
    selectors: new Set([selector("unix:uid", 1_000), selector("systemd:unit", "a.service")]),
    lineage: { kind: "lineage", chain: [{ process: process(5), orphanIn: { session: 4, controlGroup: "/a" } }] },
    place: { session: 4, controlGroup: "/a" },
  },
  sharesPids: true,
  executable: "/usr/bin/agent",
  unavailable: [{ kind: "unix:sha256", reason: "EACCES" }],
  ancestors: [process(1)],
  named: { process: process(6), uid: 0, selectors: new Set(), lineage: { kind: "untold" } },
};

test("a report is read as it was written", () => {
  expect(decodeNodeReport(encodeNodeReport(REPORT))).toEqual(REPORT);
  const { named: _, executable: __, ...least } = { ...REPORT, namedGone: 7 };
  expect(decodeNodeReport(encodeNodeReport(least))).toEqual(least);
});

test.for([
  { what: "another node", text: "node:name:two" },
  { what: "an issuer's word", text: "oidc:sub:root" },
  { what: "a kind that is not known", text: "unix:mood:good" },
  { what: "no selector", text: "root" },
])("selectors of $what are left out", ({ text }) => {
  const { bootId, pidNamespace } = machine;
  const own = { process: { pid: 5, startTimeTicks: 50n }, selectors: ["unix:uid:1000", text] };
  const message = create(NodeCallerSchema, { bootId, pidNamespace, caller: own });
  expect(decodeNodeReport(toBinary(NodeCallerSchema, message)).caller.selectors).toEqual(new Set(["unix:uid:1000"]));
});

test.for([
  { what: "a boot id with the name of another node in it", message: { bootId: `node:two:${machine.bootId}` } },
  { what: "no PID namespace", message: { pidNamespace: "" } },
  { what: "no caller", message: { caller: undefined } },
  { what: "a caller without a pid", message: { caller: { process: { pid: 0, startTimeTicks: 1n } } } },
  { what: "more ancestors than there can be", message: { ancestors: Array(129).fill({ pid: 1 }) } },
])("$what is refused by its field", ({ message }) => {
  const whole = { ...machine, caller: { process: { pid: 5, startTimeTicks: 50n } }, ...message };
  const bytes = toBinary(NodeCallerSchema, create(NodeCallerSchema, whole));
  expect(() => decodeNodeReport(bytes)).toThrow(expect.objectContaining({ code: "INVALID_FIELD" }));
});

test("bytes that are no report are refused", () => {
  expect(() => decodeNodeReport(Buffer.from([0xff, 0x01]))).toThrow(expect.objectContaining({ code: "INVALID_FIELD" }));
});
