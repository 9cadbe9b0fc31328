import { createReadStream } from "node:fs";
import { type Command, Option } from "commander";
import { LIMITS } from "../../domain/limits.ts";
import { Federation } from "../../gen/stint/v1/federation_pb.js";
import type { FederationRelationship } from "../../sdk/operator/index.ts";
import type { ClientOf } from "../../wire/client.ts";
import type { Context } from "../context.ts";
import { EXIT, Failure, usageFailure } from "../failure.ts";
import { codeOf } from "../open-flags.ts";
import { federationView } from "../output/federation-view.ts";
import { instantCell } from "../output/fields.ts";
import { showControls } from "../output/show-controls.ts";
import { readInput } from "../read-input.ts";
import { acting, type Session } from "../session.ts";

const PROFILES = ["https_web", "https_spiffe"] as const;

type CreateOptions = {
  readonly url: string;
  readonly profile: (typeof PROFILES)[number];
  readonly endpointSpiffeId?: string;
  readonly bundle?: string;
};

type Profile = NonNullable<Parameters<ClientOf<typeof Federation>["create"]>[0]["profile"]>;

const FOREIGN = "the foreign one, e.g. partner.example";

export function addFederation(federation: Command, context: Context): void {
  federation
    .command("create")
    .description("take the keys of a trust domain from its bundle endpoint from now on")
    .argument("<trust-domain>", FOREIGN)
    .requiredOption("--url <url>", "of its bundle endpoint; https")
    .addOption(
      new Option("--profile <profile>", "how the endpoint shows whose it is: to a browser, or by an X.509-SVID")
        .choices(PROFILES)
        .makeOptionMandatory(),
    )
    .option("--endpoint-spiffe-id <id>", "with https_spiffe: whose X.509-SVID the endpoint shows")
    .option(
      "--bundle <file>",
      "a file, or - for standard input: its first bundle, or a map of bundles; needed where it vouches for itself",
    )
    .action(
      acting(context, async (session, options: CreateOptions, trustDomain: string) => {
        const profile = profileOf(options);
        const bundle = options.bundle === undefined ? new Uint8Array() : await readBundle(options.bundle, context);
        const calls = session.operator(Federation);
        await calls.create({ trustDomain, bundleEndpointUrl: options.url, profile, bundle });
        const { relationship } = await calls.refresh({ trustDomain });
        noteFirstFetch(session, relationship);
        await printOne(session, relationship);
      }),
    );

  federation
    .command("list")
    .description("all of them")
    .action(
      acting(context, async (session) => {
        const { relationships } = await session.operator(Federation).list({});
        await session.print.rows(federationView, relationships);
      }),
    );

  federation
    .command("show")
    .description("one of them, and why the last attempt brought nothing if it did not")
    .argument("<trust-domain>", FOREIGN)
    .action(
      acting(context, async (session, _options: object, trustDomain: string) => {
        await printOne(session, (await session.operator(Federation).get({ trustDomain })).relationship);
      }),
    );

  federation
    .command("refresh")
    .description("ask its bundle endpoint now")
    .argument("<trust-domain>", FOREIGN)
    .action(
      acting(context, async (session, _options: object, trustDomain: string) => {
        const { relationship } = await session.operator(Federation).refresh({ trustDomain });
        await printOne(session, relationship);
        const { failure } = relationship ?? {};
        if (failure !== undefined) throw new Failure(showControls(failure.message), EXIT.refused);
      }),
    );

  federation
    .command("delete")
    .description("believe nobody of a trust domain any more")
    .argument("<trust-domain>", FOREIGN)
    .action(
      acting(context, async (session, _options: object, trustDomain: string) => {
        await session.operator(Federation).delete({ trustDomain });
      }),
    );

  federation
    .command("bundles")
    .description(
      "the bundles of all trust domains, the broker's own too, as a SPIFFE bundle map: JSON, whatever --output",
    )
    .action(
      acting(context, async (session) => {
        const { bundleMap } = await session.operator(Federation).getBundles({});
        context.out.write(`${Buffer.from(bundleMap).toString("utf8")}\n`);
      }),
    );
}

/** @throws Failure when the flags do not go together */
function profileOf({ profile, endpointSpiffeId }: CreateOptions): Profile {
  if (profile === "https_web") {
    if (endpointSpiffeId !== undefined) throw usageFailure("--endpoint-spiffe-id: with --profile https_spiffe alone");
    return { case: "httpsWeb", value: {} };
  }
  if (endpointSpiffeId === undefined) throw usageFailure("--endpoint-spiffe-id: needed with --profile https_spiffe");
  return { case: "httpsSpiffe", value: { endpointSpiffeId } };
}

/** @throws Failure */
async function readBundle(file: string, context: Context): Promise<Uint8Array> {
  const input = file === "-" ? context.input : createReadStream(file);
  try {
    return await readInput(input, LIMITS.requestBytesMax, "--bundle");
  } catch (thrown) {
    if (thrown instanceof Failure) throw thrown;
    throw usageFailure(`--bundle: can't be read (${codeOf(thrown)})`);
  }
}

/** The relationship is there either way; whether anybody of the trust domain is believed is another matter. */
function noteFirstFetch(session: Session, relationship: FederationRelationship | undefined): void {
  const { failure, bundle, nextRefreshAt } = relationship ?? {};
  if (failure === undefined) {
    session.note("the bundle endpoint answered, and its bundle is in force");
    return;
  }
  const until = bundle === undefined ? "no bundle is in force" : "the bundle that was given is in force";
  session.note(`${showControls(failure.message)}; ${until}, and it is asked again at ${instantCell(nextRefreshAt)}`);
}

async function printOne({ print }: Session, relationship: FederationRelationship | undefined): Promise<void> {
  if (relationship !== undefined) await print.one(federationView, relationship);
}
