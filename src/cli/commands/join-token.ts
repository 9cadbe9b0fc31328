import type { Command } from "commander";
import { JoinTokens } from "../../gen/stint/v1/attestation_pb.js";
import { durationOfSeconds } from "../../wire/timestamps.ts";
import type { Context } from "../context.ts";
import { durationFlag } from "../flags.ts";
import { instantCell } from "../output/fields.ts";
import { joinTokenView, newJoinTokenView } from "../output/join-token-view.ts";
import { acting } from "../session.ts";

const NAME = "what entries have in their selector join_token:name:NAME";

export function addJoinToken(joinToken: Command, context: Context): void {
  joinToken
    .command("create")
    .description("make one; it is shown here and never again")
    .argument("<name>", NAME)
    .option("--ttl <time>", "how long it may wait to be used: 30s to 1h; absent: 10m", durationFlag)
    .action(
      acting(context, async (session, { ttl }: { readonly ttl?: number }, name: string) => {
        const duration = ttl === undefined ? {} : { ttl: durationOfSeconds(ttl) };
        const created = await session.operator(JoinTokens).create({ name, ...duration });
        // The token alone, so that it can be piped to where it is needed and into nobody's eyes.
        if (session.globals.output === "table") context.out.write(`${created.token}\n`);
        else await session.print.one(newJoinTokenView, created);
        session.note(`good once, until ${instantCell(created.expiresAt)}, for an entry with join_token:name:${name}`);
      }),
    );

  joinToken
    .command("list")
    .description("those that nobody has used yet")
    .action(
      acting(context, async (session) => {
        const { joinTokens } = await session.operator(JoinTokens).list({});
        await session.print.rows(joinTokenView, joinTokens);
      }),
    );

  joinToken
    .command("revoke")
    .description("take back those of a name that nobody has used")
    .argument("<name>", NAME)
    .action(
      acting(context, async (session, _options: object, name: string) => {
        const { revoked } = await session.operator(JoinTokens).revoke({ name });
        session.note(`join tokens revoked: ${revoked}`);
      }),
    );
}
