import { type Command, Option } from "commander";
import type { DelegationToken, JwtSvid, X509Svid } from "../../sdk/runtime/index.ts";
import type { Context } from "../context.ts";
import { usageFailure } from "../failure.ts";
import { countFlag, durationFlag } from "../flags.ts";
import { grantOf } from "../open-flags.ts";
import type { View } from "../output/view.ts";
import { acting, type Session } from "../session.ts";
import { listenForStop } from "../stop-signal.ts";
import { keepSvid, runOnRenewal } from "../svid/keep-svid.ts";
import { withOwnStep } from "../svid/own-step.ts";
import { pkcs12Files } from "../svid/pkcs12-files.ts";
import { openSvidDirectory, type SvidFiles } from "../svid/svid-directory.ts";

type StepOptions = { readonly stepId?: string };
type JwtOptions = StepOptions & { readonly audience: string };
type DelegationOptions = StepOptions & {
  readonly runtime: string;
  readonly grant?: string;
  readonly uses: number;
  /** Seconds. */
  readonly ttl?: number;
};
type X509Options = StepOptions & {
  readonly out: string;
  readonly format: (typeof FORMATS)[number];
  readonly passwordFile?: string;
  readonly watch?: boolean;
};

/** `pem` for most, `pkcs12` for what Java and .NET load. */
const FORMATS = ["pem", "pkcs12"] as const;

export function addSvid(svid: Command, context: Context): void {
  ofOwnStep(svid.command("jwt"))
    .description("print a JWT-SVID for one audience")
    .requiredOption("--audience <audience>", "whom it is for, e.g. the URL of an MCP server")
    .action(
      acting(context, async (session, { stepId, audience }: JwtOptions) => {
        const token = await withOwnStep(session, { stepId, hold: false }, (step) => step.jwtSvid(audience));
        await printToken(session, jwtView, token, token.svid());
      }),
    );

  ofOwnStep(svid.command("delegation"))
    .description("print a delegation token: by it another runtime opens children of the step (--parent-token-file)")
    .requiredOption("--runtime <name>", "the registration entry of that runtime; nobody else can use the token")
    .option("--grant <json|@file>", "the most that a child may do; absent: all that the step may")
    .option("--uses <number>", "how many children", countFlag, 1)
    .option("--ttl <time>", "how long it is good, e.g. 5m; absent: as long as a JWT-SVID of the step", durationFlag)
    .action(
      acting(context, async (session, { stepId, runtime, grant, uses, ttl }: DelegationOptions) => {
        const wanted = { runtime, uses, ttlSeconds: ttl, grant: grant === undefined ? undefined : grantOf(grant) };
        const token = await withOwnStep(session, { stepId, hold: false }, (step) => step.delegationToken(wanted));
        await printToken(session, delegationView, token, token.token());
      }),
    );

  ofOwnStep(svid.command("x509"))
    .description("write an X.509-SVID, its key and the CA certificates into files, which only this user can read")
    .requiredOption("--out <dir>", "where to; made if it is not there")
    .addOption(
      new Option("--format <format>", "pem: svid.pem, svid_key.pem; pkcs12: svid.p12; beside them svid_bundle.pem")
        .choices(FORMATS)
        .default("pem"),
    )
    .option("--password-file <path>", "for pkcs12: a file of mode 0600 with the password that svid.p12 is to have")
    .option("--watch", "go on: write each new one, and remove the files when the step ends or this command is stopped")
    .argument("[command...]", "after --: what is run, without a shell, each time that the files were replaced")
    .action(
      acting(context, async (session, options: X509Options, command: readonly string[]) => {
        if (command.length > 0 && options.watch !== true) throw usageFailure("a command on renewal needs --watch");
        await (options.watch === true ? watchX509(session, options, command) : writeX509(session, options));
      }),
    );
}

/** Alone on its line, for `$(…)`, or as data. */
async function printToken<Token>(session: Session, view: View<Token>, token: Token, text: string): Promise<void> {
  if (session.globals.output === "table") session.context.out.write(`${text}\n`);
  else await session.print.one(view, token);
}

/** The variable is set by `stint step run`, and nothing else reads it unasked: this is the command that it is for. */
function ofOwnStep(command: Command): Command {
  return command.addOption(new Option("--step-id <step-id>", "the step; its command has it from stint step run"));
}

async function writeX509(session: Session, options: X509Options): Promise<void> {
  const { stepId, out } = options;
  const filesOf = await formatOf(options);
  const directory = await openSvidDirectory(out);
  await withOwnStep(session, { stepId, hold: false }, async (step) => {
    const svid = await step.x509Svid();
    await directory.write(filesOf(svid));
    await session.print.one(x509View, svid);
  });
}

async function watchX509(session: Session, options: X509Options, command: readonly string[]): Promise<void> {
  const { stepId, out } = options;
  const filesOf = await formatOf(options);
  using stop = listenForStop();
  const directory = await openSvidDirectory(out);
  const terms = { note: session.note, stop: stop.signal };
  try {
    await withOwnStep(session, { stepId, hold: true }, (step) =>
      keepSvid(
        step,
        async (svid, isFirst) => {
          await directory.write(filesOf(svid));
          if (isFirst) return session.print.one(x509View, svid);
          session.note(`renewed: until ${svid.expiresAt.toISOString()}`);
          return runOnRenewal(command, terms);
        },
        terms,
      ),
    );
  } finally {
    await directory.remove();
  }
}

async function formatOf({ format, passwordFile }: X509Options): Promise<(svid: X509Svid) => SvidFiles> {
  if (format === "pem" && passwordFile === undefined) return pemFiles;
  if (format === "pem") throw usageFailure("--password-file is for --format pkcs12");
  if (passwordFile === undefined) throw usageFailure("--format pkcs12 needs --password-file");
  return pkcs12Files(passwordFile);
}

/** Under the names that spiffe-helper gives them. The certificate last: by it a watcher of files sees that all are there. */
function pemFiles(svid: X509Svid): SvidFiles {
  const { cert, key, ca } = svid.tls();
  return new Map([
    ["svid_bundle.pem", ca.join("")],
    ["svid_key.pem", key],
    ["svid.pem", cert],
  ]);
}

const jwtView: View<JwtSvid> = {
  fields: [
    ["spiffe_id", (svid) => svid.spiffeId],
    ["audience", (svid) => svid.audience],
    ["expires_at", (svid) => svid.expiresAt.toISOString()],
    ["svid", (svid) => svid.svid()],
  ],
  columns: [],
};

const delegationView: View<DelegationToken> = {
  fields: [
    ["spiffe_id", (token) => token.spiffeId],
    ["runtime", (token) => token.runtime],
    ["expires_at", (token) => token.expiresAt.toISOString()],
    ["token", (token) => token.token()],
  ],
  columns: [],
};

const x509View: View<X509Svid> = {
  fields: [
    ["spiffe_id", (svid) => svid.spiffeId],
    ["expires_at", (svid) => svid.expiresAt.toISOString()],
  ],
  columns: [],
};
