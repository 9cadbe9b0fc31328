import { X509Certificate } from "node:crypto";
import { fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import {
  JWTSVIDResponseSchema,
  WITSVIDResponseSchema,
  X509SVIDResponseSchema,
} from "../gen/spiffe/workload/workload_pb.js";

/** What the processes of the machine were given last, for as long as it is good: what they are given while the broker is away. */
export type KeptAnswers = {
  keep(process: string, question: string, answer: Buffer): void;
  /** The part of it that is still good; `undefined` where nothing is. */
  get(process: string, question: string, kind: AnswerKind): Buffer | undefined;
  /** The process has ended. */
  forget(process: string): void;
};

export type AnswerKind = "x509-svids" | "jwt-svids" | "wit-svids" | "bundles";

type Kept = { readonly answer: Buffer; readonly atMs: number };

/** Of one process: each audience is a question of its own. */
const ANSWERS_PER_PROCESS_MAX = 64;
/** No SVID lasts for longer, and so bundles are of no use for longer to who verifies nothing but those of this trust domain. */
const BUNDLES_MS_MAX = 3_600_000;

/** @param now - milliseconds since 1970. */
export function createKeptAnswers(now: () => number): KeptAnswers {
  const byProcess = new Map<string, Map<string, Kept>>();
  return {
    keep(process, question, answer) {
      const own = byProcess.get(process) ?? new Map<string, Kept>();
      byProcess.set(process, own);
      own.delete(question);
      own.set(question, { answer, atMs: now() });
      for (const oldest of own.keys()) {
        if (own.size <= ANSWERS_PER_PROCESS_MAX) break;
        own.delete(oldest);
      }
    },
    get(process, question, kind) {
      const kept = byProcess.get(process)?.get(question);
      if (kept === undefined) return undefined;
      if (kind === "bundles") return now() - kept.atMs < BUNDLES_MS_MAX ? kept.answer : undefined;
      return GOOD_PART[kind](kept.answer, now());
    },
    forget: (process) => void byProcess.delete(process),
  };
}

const GOOD_PART = {
  "x509-svids": (answer: Buffer, nowMs: number) =>
    goodPart(
      X509SVIDResponseSchema,
      answer,
      ({ x509Svid }) => nowMs < new X509Certificate(x509Svid).validToDate.getTime(),
    ),
  "jwt-svids": (answer: Buffer, nowMs: number) =>
    goodPart(JWTSVIDResponseSchema, answer, ({ svid }) => nowMs < 1_000 * expiryIn(svid)),
  "wit-svids": (answer: Buffer, nowMs: number) =>
    goodPart(WITSVIDResponseSchema, answer, ({ witSvid }) => nowMs < 1_000 * expiryIn(witSvid)),
} as const;

function goodPart<Svid>(
  schema: GenMessage<Message & { svids: Svid[] }>,
  answer: Buffer,
  isGood: (svid: Svid) => boolean,
): Buffer | undefined {
  const message = fromBinary(schema, answer);
  message.svids = message.svids.filter(isGood);
  return message.svids.length === 0 ? undefined : Buffer.from(toBinary(schema, message));
}

/** `exp` of a token that the broker made. */
function expiryIn(token: string): number {
  const payload: unknown = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
  return typeof payload === "object" && payload !== null && "exp" in payload ? Number(payload.exp) : 0;
}
