import type { Command } from "commander";
import { History, type LookUpResponse } from "../../gen/stint/v1/history_pb.js";
import { StepState } from "../../gen/stint/v1/types_pb.js";
import { CallError } from "../../wire/call-error.ts";
import type { Context } from "../context.ts";
import { EXIT, Failure, usageFailure } from "../failure.ts";
import { enumField, instantField, processField, textField } from "../output/fields.ts";
import { issuanceView } from "../output/issuance-view.ts";
import type { Field, View } from "../output/view.ts";
import { readInput } from "../read-input.ts";
import { acting } from "../session.ts";
import { signedPartSha256 } from "../signed-part.ts";

/** A chain of certificates is a few KiB; a larger input is not a credential. */
const INPUT_BYTES_MAX = 64 * 1024;

export function addInspect(inspect: Command, context: Context): void {
  inspect.argument("<->", "a dash: standard input, so that no credential ends up in a shell's history").action(
    acting(context, async (session, _options: object, from: string) => {
      if (from !== "-") throw usageFailure("a credential is read from standard input alone: stint inspect -");
      const toBeSignedSha256 = signedPartSha256(await readInput(context.input, INPUT_BYTES_MAX, "standard input"));
      if (toBeSignedSha256 === undefined) {
        throw new Failure("standard input holds neither a JWT nor a certificate", EXIT.refused);
      }
      const found = await session
        .operator(History)
        .lookUp({ toBeSignedSha256 })
        .catch((thrown: unknown) => {
          if (!(thrown instanceof CallError) || thrown.reason !== "STEP_NOT_FOUND") throw thrown;
          throw new Failure(`${thrown.reason}: this broker never recorded it, so it never signed it`, EXIT.refused);
        });
      await session.print.one(foundView, found);
    }),
  );
}

/** A field of the issuance that was found, or of its step. */
function of<Part extends "issuance" | "step">(
  part: Part,
  [name, value]: Field<NonNullable<LookUpResponse[Part]>>,
): Field<LookUpResponse> {
  return [
    name,
    (found) => {
      const there = found[part];
      return there === undefined ? undefined : value(there);
    },
  ];
}

/** The credential, who held it, and what became of its step. */
const foundView: View<LookUpResponse> = {
  fields: [
    ...issuanceView.fields.map((field) => of("issuance", field)),
    of("step", ["step_state", (step) => enumField(StepState, step.state)]),
    of("step", ["step_opened_at", (step) => instantField(step.openedAt)]),
    of("step", ["step_closed_at", (step) => instantField(step.closedAt)]),
    of("step", ["step_close_reason", (step) => textField(step.closeReason)]),
    of("step", ["opener", (step) => processField(step.opener)]),
    of("step", ["executor", (step) => processField(step.executor)]),
  ],
  columns: [],
};
