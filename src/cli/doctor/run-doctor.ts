import { styleText } from "node:util";
import type { BrokerAnswer } from "../../doctor/broker.ts";
import type { Diagnosis, Severity } from "../../doctor/diagnosis.ts";
import { Status } from "../../gen/stint/v1/status_pb.js";
import { examineMachine } from "../../main/examine.ts";
import { CallError, whyUnreachable } from "../../wire/call-error.ts";
import { openChannel } from "../../wire/channel.ts";
import { createClient } from "../../wire/client.ts";
import type { Context } from "../context.ts";
import { EXIT, ExitStatus } from "../failure.ts";
import type { OutputFormat } from "../output/output-formats.ts";
import { createPrinter } from "../output/printer.ts";
import { showControls } from "../output/show-controls.ts";
import type { View } from "../output/view.ts";

export type DoctorRequest = {
  readonly config: string;
  readonly isNamed: boolean;
  /** Whether a person wants to see what is in order too. */
  readonly all?: boolean;
  readonly output: OutputFormat;
  readonly operatorSocket: string;
  /** Seconds that the broker may take to answer. */
  readonly timeout: number;
};

const STYLES = { ok: "green", warning: "yellow", error: "red", skipped: "dim" } as const satisfies Record<
  Severity,
  string
>;

const diagnosisView: View<Diagnosis> = {
  fields: [
    ["severity", ({ severity }) => severity],
    ["subject", ({ subject }) => subject],
    ["what", ({ what }) => what],
    ["why", ({ why }) => why ?? null],
    ["mend", ({ mend }) => mend ?? null],
  ],
  columns: [],
};

/** @throws ExitStatus 1 where anything is an error */
export async function runDoctor(request: DoctorRequest, { out, err }: Context): Promise<void> {
  const { config, isNamed, operatorSocket, output } = request;
  const ask = (socket: string) => askBroker(socket, request.timeout);
  const found = await examineMachine({ configPath: config, isNamed, environment: process.env, operatorSocket, ask });
  if (output !== "table") await createPrinter(output, out).rows(diagnosisView, found);
  else {
    for (const one of found) if (one.severity !== "ok" || request.all === true) out.write(paragraph(one, out));
    err.write(`stint: ${summary(found)}\n`);
  }
  if (found.some(({ severity }) => severity === "error")) throw new ExitStatus(EXIT.refused);
}

/** For a person: what is so, what comes of it, and what to do, each on a line. */
function paragraph({ severity, subject, what, why, mend }: Diagnosis, out: Context["out"]): string {
  const lines = [what, ...(why === undefined ? [] : [why]), ...(mend === undefined ? [] : [`→ ${mend}`])];
  const shown = lines.map(showControls);
  const head = `${styleText(STYLES[severity], severity.padEnd(7), { stream: out })}  ${subject}: ${shown[0]}`;
  return `${[head, ...shown.slice(1).map((line) => `         ${line}`)].join("\n")}\n`;
}

function summary(found: readonly Diagnosis[]): string {
  const count = (severity: Severity) => found.filter((one) => one.severity === severity).length;
  const plural = (number: number, one: string) => `${number} ${one}${number === 1 ? "" : "s"}`;
  return `${plural(count("error"), "error")}, ${plural(count("warning"), "warning")}, ${count("ok")} in order, ${count("skipped")} not looked at`;
}

async function askBroker(socket: string, timeoutSeconds: number): Promise<BrokerAnswer> {
  const channel = openChannel(socket);
  try {
    const status = await createClient(Status, channel, { deadlineMs: timeoutSeconds * 1_000 }).get({});
    const { ready: isReady, reasons, warnings, trustDomain } = status;
    return { kind: "status", isReady, reasons, warnings, trustDomain };
  } catch (thrown) {
    if (!(thrown instanceof CallError)) throw thrown;
    if (thrown.unreachable) return { kind: "unreachable", why: whyUnreachable(thrown) };
    return { kind: "refused", message: `${thrown.info?.reason ?? thrown.codeName}: ${thrown.message}` };
  } finally {
    channel.close();
  }
}
