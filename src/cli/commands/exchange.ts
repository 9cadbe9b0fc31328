import { type Command, Option } from "commander";
import type { ExchangedSecret } from "../../sdk/runtime/index.ts";
import type { Context } from "../context.ts";
import { EXIT, Failure } from "../failure.ts";
import { acting } from "../session.ts";
import { withOwnStep } from "../svid/own-step.ts";
import { writeWhole } from "../write-whole.ts";

const FORMATS = ["env", "json"] as const;

type ExchangeOptions = {
  readonly stepId?: string;
  readonly format: (typeof FORMATS)[number];
  readonly out?: string;
};

export function addExchange(exchange: Command, context: Context): void {
  exchange
    .argument("<target>", "the name that the broker's configuration gives the other system")
    .addOption(new Option("--step-id <step-id>", "the step; its command has it from stint step run"))
    .addOption(
      new Option("--format <format>", "env: a line NAME='value' for each part, for a shell; json: one object")
        .choices(FORMATS)
        .default("env"),
    )
    .option("--out <file>", "where to, made or replaced whole with mode 0600; absent: standard output")
    .action(
      acting(context, async (session, { stepId, format, out }: ExchangeOptions, target: string) => {
        const given = await withOwnStep(session, { stepId, hold: false }, (step) => step.exchange(target));
        const text = format === "json" ? jsonOf(given) : linesOf(given);
        if (out === undefined) session.context.out.write(text);
        else await writeSecret(out, text);
        if (!given.endsWithStep) session.note(`it lives on until ${given.expiresAt.toISOString()}: nobody can end it`);
      }),
    );
}

function jsonOf(given: ExchangedSecret): string {
  const { exchangeId, target, kind, expiresAt, endsWithStep } = given;
  const facts = { exchange_id: exchangeId, target, kind, expires_at: expiresAt.toISOString() };
  return `${JSON.stringify({ ...facts, ends_with_step: endsWithStep, secret: given.secret() })}\n`;
}

/** `BAO_TOKEN='…'`: the target and the part, in what the name of a variable may hold. */
function linesOf(given: ExchangedSecret): string {
  const lines = Object.entries(given.secret()).map(
    ([part, value]) => `${variableOf(`${given.target}_${part}`)}='${value.replaceAll("'", "'\\''")}'\n`,
  );
  return lines.join("");
}

function variableOf(name: string): string {
  return name
    .toUpperCase()
    .replaceAll(/[^A-Z0-9]/g, "_")
    .replace(/^(?=[0-9])/, "_");
}

/** @throws Failure for a place that can't be written to */
async function writeSecret(path: string, text: string): Promise<void> {
  try {
    await writeWhole(path, text);
  } catch {
    throw new Failure("--out: can't be written; the secret is there all the same until the step ends", EXIT.refused);
  }
}
