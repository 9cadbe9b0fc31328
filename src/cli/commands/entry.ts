import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { Entries } from "../../gen/stint/v1/entries_pb.js";
import type { Entry } from "../../sdk/operator/index.ts";
import { entryContentMessageOf } from "../../wire/entry-message.ts";
import type { Context } from "../context.ts";
import { contentOf, type Declaration, readDeclaration, revisionOf } from "../entry-declaration.ts";
import { addEntryFlags, declaredByFlags, type EntryFlags } from "../entry-flags.ts";
import { usageFailure } from "../failure.ts";
import { codeOf } from "../open-flags.ts";
import { entryView } from "../output/entry-view.ts";
import { recordOf } from "../output/view.ts";
import { addPaging, type PagingOptions, rowsOf } from "../paging.ts";
import { acting, type Session } from "../session.ts";

const REFERENCE = "its id, or kind/name, e.g. agent/researcher";
const STDIN = 0;

type ContentOptions = EntryFlags & { readonly file?: string };

export function addEntry(entry: Command, context: Context): void {
  addContent(entry.command("create").description("register one"))
    .argument("[entry]", "kind/name, e.g. agent/researcher; not with --file")
    .action(
      acting(context, async (session, options: ContentOptions, reference: string | undefined) => {
        const content = entryContentMessageOf(contentOf(await newDeclaration(options, reference)));
        const { entry: created } = await session.operator(Entries).create({ content });
        await printEntry(session, created);
      }),
    );

  entry
    .command("show")
    .description("all that it says; as JSON it can be edited and given to update --file")
    .argument("<entry>", REFERENCE)
    .action(
      acting(context, async (session, _options: object, reference: string) => {
        const { entry: shown } = await session.operator(Entries).get({ entry: reference });
        await printEntry(session, shown);
      }),
    );

  addPaging(entry.command("list").description("all of them, oldest first")).action(
    acting(context, async (session, options: PagingOptions) => {
      const { list } = session.operator(Entries);
      await session.print.rows(entryView, await rowsOf(session, options, list, (page) => page.entries));
    }),
  );

  addContent(
    entry.command("update").description("change what it says; closes steps that hold what it no longer permits"),
  )
    .argument("<entry>", REFERENCE)
    .action(
      acting(context, async (session, options: ContentOptions, reference: string) => {
        const entries = session.operator(Entries);
        const { declaration, revision } = await changedDeclaration(options, async () => {
          const { entry: present } = await entries.get({ entry: reference });
          if (present === undefined) throw new Error("the broker found an entry and told nothing of it");
          return present;
        });
        const content = entryContentMessageOf(contentOf(declaration));
        const updated = await entries.update({ entry: reference, content, revision: BigInt(revision) });
        noteClosed(session, updated.stepsClosed);
        await printEntry(session, updated.entry);
      }),
    );

  entry
    .command("disable")
    .description("close its steps and bar new ones")
    .argument("<entry>", REFERENCE)
    .action(
      acting(context, async (session, _options: object, reference: string) => {
        const disabled = await session.operator(Entries).disable({ entry: reference });
        noteClosed(session, disabled.stepsClosed);
        await printEntry(session, disabled.entry);
      }),
    );

  entry
    .command("enable")
    .description("let it in again")
    .argument("<entry>", REFERENCE)
    .action(
      acting(context, async (session, _options: object, reference: string) => {
        const { entry: enabled } = await session.operator(Entries).enable({ entry: reference });
        await printEntry(session, enabled);
      }),
    );

  entry
    .command("delete")
    .description("close its steps and take it from the list; its history stays")
    .argument("<entry>", REFERENCE)
    .action(
      acting(context, async (session, _options: object, reference: string) => {
        const { stepsClosed } = await session.operator(Entries).delete({ entry: reference });
        noteClosed(session, stepsClosed);
      }),
    );
}

function addContent(command: Command): Command {
  return addEntryFlags(
    command.option(
      "-f, --file <file>",
      "a file, or - for standard input, of YAML or JSON as in entries: of stint.yaml",
    ),
  );
}

/** What to register: what a file says, or kind and name; in both cases with the flags on top. */
async function newDeclaration(options: ContentOptions, reference: string | undefined): Promise<Declaration> {
  const flags = declaredByFlags(options);
  if (options.file === undefined) {
    const [kind, name, ...rest] = (reference ?? "").split("/");
    if (name === undefined || rest.length > 0) throw usageFailure("kind/name, e.g. agent/researcher, or --file");
    return { kind, name, ...flags };
  }
  if (reference !== undefined) throw usageFailure("the file says what to register: no kind/name beside it");
  return { ...(await readFile(options.file)), ...flags };
}

/** What the entry is to say: what a file says, or what the entry says now; in both cases changed by the flags. */
async function changedDeclaration(
  options: ContentOptions,
  present: () => Promise<Entry>,
): Promise<{ readonly declaration: Declaration; readonly revision: number }> {
  const flags = declaredByFlags(options);
  if (options.file !== undefined) {
    const declaration = await readFile(options.file);
    return { declaration: { ...declaration, ...flags }, revision: revisionOf(declaration) };
  }
  if (Object.keys(flags).length === 0) throw usageFailure("nothing to change: give a flag or --file");
  const entry = await present();
  // The change starts from the revision that was just read: if somebody else changed the entry meanwhile, the broker
  // refuses this change instead of undoing the other.
  return { declaration: { ...recordOf(entryView, entry), ...flags }, revision: Number(entry.revision) };
}

async function readFile(file: string): Promise<Declaration> {
  try {
    return await readDeclaration(readFileSync(file === "-" ? STDIN : file, "utf8"));
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown) throw usageFailure(`--file: can't be read (${codeOf(thrown)})`);
    throw thrown;
  }
}

async function printEntry(session: Session, entry: Entry | undefined): Promise<void> {
  if (entry !== undefined) await session.print.one(entryView, entry);
}

function noteClosed(session: Session, stepsClosed: number): void {
  if (stepsClosed > 0) session.note(`closed ${stepsClosed} step${stepsClosed === 1 ? "" : "s"}`);
}
