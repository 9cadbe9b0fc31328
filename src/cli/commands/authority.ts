import { setTimeout as sleep } from "node:timers/promises";
import { Argument, type Command, Option } from "commander";
import { REVOCATION_REASONS } from "../../domain/revocation.ts";
import { Authorities, type Authority } from "../../gen/stint/v1/authorities_pb.js";
import { SvidKind } from "../../gen/stint/v1/types_pb.js";
import { CallError } from "../../wire/call-error.ts";
import type { Context } from "../context.ts";
import { authorityView, withdrawnView } from "../output/authority-view.ts";
import type { View } from "../output/view.ts";
import { acting, type Session } from "../session.ts";

const KINDS = { x509: SvidKind.X509, jwt: SvidKind.JWT, wit: SvidKind.WIT, txn: SvidKind.TXN_TOKEN } as const;

const AUTHORITY_ID = "the key, as authority show has it under AUTHORITY";

export function addAuthority(authority: Command, context: Context): void {
  authority
    .command("show")
    .description("the keys: prepared, signing, old, and for how long")
    .option("--removed", "those that are gone, too")
    .action(
      acting(context, async (session, { removed = false }: { readonly removed?: boolean }) => {
        const { authorities } = await session.operator(Authorities).list({ removed });
        await session.print.rows(authorityView, authorities);
      }),
    );

  authority
    .command("prepare")
    .description("make the next key of a kind and publish it; the one that signs goes on signing")
    .addArgument(new Argument("<kind>", "what it is to sign").choices(Object.keys(KINDS)))
    .action(
      acting(context, async (session, _options, kind: keyof typeof KINDS) => {
        await printOne(session, (await session.operator(Authorities).prepare({ kind: KINDS[kind] })).authority);
      }),
    );

  authority
    .command("activate")
    .description("let a prepared key sign; the one that signed is old from then on")
    .argument("<authority-id>", AUTHORITY_ID)
    .addOption(
      new Option(
        "--force",
        "also before it has been published for as long as is configured; waits until it has been for 35 s, since libraries such as PyJWT and FastMCP do not see a new key for up to 30 s after their last fetch",
      )
        // A variable of its own, and not STINT_FORCE: whoever forces this must mean it.
        .env("STINT_AUTHORITY_FORCE"),
    )
    .addOption(
      new Option("--now", "at once, published or not; verifiers without the key refuse what it signs for a while").env(
        "STINT_AUTHORITY_NOW",
      ),
    )
    .action(
      acting(context, async (session, { force = false, now = false }: ActivateOptions, authorityId: string) => {
        const authorities = session.operator(Authorities);
        const activate = () => authorities.activate({ authorityId, force, now });
        const answer = await (force ? whenPublished(session, activate) : activate());
        await printOne(session, answer.authority);
        if (now) session.note("verifiers off the feed may refuse what it signs until they next fetch the keys");
      }),
    );

  addWithdrawal(authority, context, "taint", "trust an old key no more: all that it signed is taken back");
  addWithdrawal(authority, context, "revoke", "the same of an old or prepared key, which is then destroyed");

  authority
    .command("confirm-clock")
    .description("take the wall clock's word again, after it departed from the broker's own time and issuance stopped")
    .action(
      acting(context, async (session) => {
        await session.print.one(confirmedView, await session.operator(Authorities).confirmClock({}));
      }),
    );
}

function addWithdrawal(authority: Command, context: Context, verb: "taint" | "revoke", description: string): void {
  authority
    .command(verb)
    .description(description)
    .argument("<authority-id>", AUTHORITY_ID)
    .addOption(
      new Option("--reason <reason>", "recorded, and told to verifiers")
        .choices(REVOCATION_REASONS)
        .default("cACompromise"),
    )
    .action(
      acting(context, async (session, { reason }: { readonly reason: string }, authorityId: string) => {
        const answer = await session.operator(Authorities)[verb]({ authorityId, reason });
        session.note(`credentials revoked: ${answer.credentialsRevoked}`);
        await session.print.one(withdrawnView, answer);
      }),
    );
}

type ActivateOptions = { readonly force?: boolean; readonly now?: boolean };

/** Asks again once the key has been published for as long as even a forced one has to be; stopping the command changes nothing. */
async function whenPublished<Answer>({ note }: Session, activate: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    try {
      return await activate();
    } catch (thrown) {
      const secondsLeft = thrown instanceof CallError ? Number(thrown.metadata["seconds_left"]) : Number.NaN;
      if (!(secondsLeft > 0)) throw thrown;
      note(`not published for long enough: ${secondsLeft} s left, until libraries ask for it; --now does not wait`);
      await sleep(secondsLeft * 1_000);
    }
  }
}

async function printOne({ print }: Session, authority: Authority | undefined): Promise<void> {
  if (authority !== undefined) await print.one(authorityView, authority);
}

const confirmedView: View<{ readonly changedSeconds: number }> = {
  fields: [["changed_seconds", (confirmed) => confirmed.changedSeconds]],
  columns: [],
};
