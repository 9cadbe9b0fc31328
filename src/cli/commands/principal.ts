import type { Command } from "commander";
import {
  Principals,
  type PrincipalsEraseResponse,
  type PrincipalsOffboardResponse,
} from "../../gen/stint/v1/principals_pb.js";
import { CallError } from "../../wire/call-error.ts";
import type { ClientOf } from "../../wire/client.ts";
import type { Context } from "../context.ts";
import { EXIT, Failure, usageFailure } from "../failure.ts";
import { principalView } from "../output/principal-view.ts";
import type { View } from "../output/view.ts";
import { addPaging, type PagingOptions, rowsOf } from "../paging.ts";
import { acting, type Session } from "../session.ts";

type Meant = NonNullable<Parameters<ClientOf<typeof Principals>["readmit"]>[0]["by"]>;
type Ended = PrincipalsOffboardResponse | PrincipalsEraseResponse;
type OffboardOptions = { readonly bar?: boolean; readonly dryRun?: boolean };

const PRINCIPAL_ID = /^[0-9a-f]{64}$/;

export function addPrincipal(principal: Command, context: Context): void {
  addPaging(principal.command("list").description("all that steps named or that are barred, newest first")).action(
    acting(context, async (session, options: PagingOptions) => {
      const { list } = session.operator(Principals);
      const rows = await rowsOf(session, options, list, (page) => page.principals);
      await session.print.rows(principalView, rows);
    }),
  );

  named(principal.command("offboard").description("end every step of a principal, and refuse new ones"))
    .option("--bar", "also a principal whom no step ever named")
    .option("--dry-run", "tell what would be ended, and do nothing")
    .action(
      acting(context, async (session, options: OffboardOptions, issuer: string, subject: string | undefined) => {
        const { bar: barAhead = false, dryRun = false } = options;
        const calls = session.operator(Principals);
        const ended = await seen(calls.offboard({ by: meant(issuer, subject), barAhead, dryRun }));
        await print(session, ended);
        const { steps, credentials } = countsOf(ended);
        session.note(
          dryRun
            ? `would end ${steps} and revoke ${credentials}; nothing was done`
            : `ended ${steps} and revoked ${credentials}; new ones are refused`,
        );
      }),
    );

  named(principal.command("readmit").description("let steps be opened for an offboarded principal again")).action(
    acting(context, async (session, _options: object, issuer: string, subject: string | undefined) => {
      await session.operator(Principals).readmit({ by: meant(issuer, subject) });
      session.note("new steps are accepted again");
    }),
  );

  named(
    principal
      .command("erase")
      .description("end every step of a principal, and delete the key of what is known of them: for good"),
  ).action(
    acting(context, async (session, _options: object, issuer: string, subject: string | undefined) => {
      const ended = await session.operator(Principals).erase({ by: meant(issuer, subject) });
      await print(session, ended);
      const { steps, credentials } = countsOf(ended);
      session.note(`ended ${steps} and revoked ${credentials}; nothing here says any more who it was`);
    }),
  );
}

function named(command: Command): Command {
  return command
    .argument("<issuer>", "iss of the principal's tokens; or, alone, the principal_id that list shows")
    .argument("[subject]", "sub of the principal's tokens");
}

/** @throws Failure */
function meant(issuer: string, subject: string | undefined): Meant {
  if (subject !== undefined) return { case: "name", value: { issuer, subject } };
  if (PRINCIPAL_ID.test(issuer)) return { case: "principalId", value: issuer };
  throw usageFailure("an issuer and a subject say whom, or a principal_id alone");
}

/**
 * The principal need not have been seen to be barred, so nothing else would tell a name that was mistyped from the one
 * that was meant.
 *
 * @throws Failure
 */
async function seen<Answer>(answer: Promise<Answer>): Promise<Answer> {
  try {
    return await answer;
  } catch (thrown) {
    if (!(thrown instanceof CallError) || thrown.metadata["field"] !== "bar_ahead") throw thrown;
    throw new Failure("no step ever named this principal; with --bar none ever will be opened for them", EXIT.refused);
  }
}

async function print({ globals, print }: Session, ended: Ended): Promise<void> {
  if (globals.output !== "table") await print.one(endedView, ended);
}

const endedView: View<Ended> = {
  fields: [
    ["principal_id", ({ principalId }) => principalId],
    ["sequence", ({ sequence }) => (sequence === 0n ? null : Number(sequence))],
    ["steps_closed", ({ stepsClosed }) => stepsClosed],
    ["credentials_revoked", ({ credentialsRevoked }) => credentialsRevoked],
  ],
  columns: [],
};

function countsOf({ stepsClosed, credentialsRevoked }: Ended) {
  const count = (number: number, thing: string) => `${number} ${thing}${number === 1 ? "" : "s"}`;
  return { steps: count(stepsClosed, "step"), credentials: count(credentialsRevoked, "credential") };
}
