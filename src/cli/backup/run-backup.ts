import { createHash } from "node:crypto";
import { once } from "node:events";
import { createReadStream, existsSync } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Ledger, type LedgerCopied } from "../../gen/stint/v1/ledger_pb.js";
import { EXIT, Failure, usageFailure } from "../failure.ts";
import { hexField } from "../output/fields.ts";
import { createProgressBar } from "../output/progress-bar.ts";
import type { Session } from "../session.ts";
import { writeWhole } from "../write-whole.ts";

/** The file's name is the one that it has in a data directory. */
const COPY_FILE = "ledger.db";
const FACTS_FILE = "backup.json";

type Writing = {
  write(chunk: Uint8Array): Promise<void>;
  /** Resolves with the SHA-256 of what can be read back. */
  finish(): Promise<string>;
};

/**
 * Takes a copy of the ledger into a new directory, or to standard output, and checks that what was written is what the broker
 * verified.
 *
 * @throws Failure, CallError; a directory that is not whole is removed then
 */
export async function runBackup(session: Session, out: string): Promise<void> {
  const copied = out === "-" ? await received(session, streamWriting(session)) : await toDirectory(session, out);
  session.note(
    `backup of the ledger through sequence ${copied.sequence}, epoch ${copied.epoch}: ${copied.size} bytes, verified`,
  );
}

async function toDirectory(session: Session, out: string): Promise<LedgerCopied> {
  if (existsSync(out)) throw usageFailure(`${out} is there already, and is not written over`);
  const unfinished = `${out}.partial`;
  await mkdir(unfinished, { mode: 0o700 }).catch((cause: unknown) => {
    throw new Failure(`${unfinished} can't be made`, EXIT.refused, { cause });
  });
  try {
    const copied = await received(session, await fileWriting(join(unfinished, COPY_FILE)));
    const { epoch, sequence, rootHash, size, sha256 } = copied;
    const facts = {
      ...{
        epoch,
        sequence: Number(sequence),
        root_hash: hexField(rootHash),
        size: Number(size),
        sha256: hexField(sha256),
      },
      made_at: new Date(session.context.now()).toISOString(),
    };
    await writeWhole(join(unfinished, FACTS_FILE), `${JSON.stringify(facts, undefined, 2)}\n`);
    await rename(unfinished, out);
    return copied;
  } catch (thrown) {
    await rm(unfinished, { recursive: true, force: true });
    throw thrown;
  }
}

async function received(session: Session, writing: Writing): Promise<LedgerCopied> {
  const bar = createProgressBar(session.context.err);
  let copied: LedgerCopied | undefined;
  let bytes = 0;
  try {
    for await (const { message } of session.operator(Ledger).backup({})) {
      if (message.case === "permille") bar.show(message.value / 1_000, "the broker copies");
      else if (message.case === "copied") copied = message.value;
      else if (message.case === "chunk") {
        await writing.write(message.value);
        bytes += message.value.length;
        bar.show(copied === undefined ? undefined : bytes / Number(copied.size), "the copy is read");
      }
    }
    const digest = await writing.finish();
    if (copied === undefined || digest !== hexField(copied.sha256)) {
      throw new Failure("what was written is not what the broker verified", EXIT.refused);
    }
    return copied;
  } finally {
    bar.clear();
  }
}

function streamWriting({ context }: Session): Writing {
  const digest = createHash("sha256");
  return {
    async write(chunk) {
      digest.update(chunk);
      if (!context.out.write(chunk)) await once(context.out, "drain");
    },
    finish: async () => digest.digest("hex"),
  };
}

async function fileWriting(path: string): Promise<Writing> {
  const file = await open(path, "wx", 0o600);
  return {
    async write(chunk) {
      await file.writeFile(chunk);
    },
    async finish() {
      await file.sync();
      await file.close();
      const digest = createHash("sha256");
      for await (const chunk of createReadStream(path)) digest.update(chunk as Uint8Array);
      return digest.digest("hex");
    },
  };
}
