import { fstatSync } from "node:fs";
import { Socket } from "node:net";
import { concealedToken } from "./concealed-token.ts";
import { CREDENTIAL_FD_VARIABLE, type CredentialLine, credentialLineFrom } from "./credential-line.ts";
import { StintError } from "./stint-error.ts";

/** The parent has sent the first ones before the child began; a renewal that is late comes within a pause of the parent's. */
const WAIT_MS_MAX = 10_000;
/** Of one line: a grant may be long, a header that takes the token is not. */
const LINE_LENGTH_MAX = 131_072;

/** A token that a parent has sent. Reached by `token()` alone: printing, inspecting or logging the object does not show it. */
export type ReceivedCredential = {
  readonly audience: string;
  /** Exclusive. */
  readonly expiresAt: Date;
  /** The token itself, in JWS compact serialization. A bearer secret until `expiresAt` or the step's end. */
  token(): string;
  /** The value of an Authorization header: `Bearer <token>`. */
  authorization(): string;
  /** `Credential(<audience>)` */
  toString(): string;
  toJSON(): { readonly audience: string; readonly expiresAt: string };
};

/** What the parent of this process sends it of a step's credentials. */
export type ReceivedCredentials = {
  /**
   * The newest token for an audience. Where there is none yet, or it has expired, the next one is waited for.
   *
   * @throws StintError STEP_CLOSED once the step has ended; AUDIENCE_INVALID when none has come for this audience within 10 s,
   *   UNREACHABLE when none that has not expired has
   */
  credential(audience: string): Promise<ReceivedCredential>;
  /** Aborts when the parent has closed its end, as it does when the step ends; its reason is a StintError STEP_CLOSED. */
  readonly signal: AbortSignal;
  /** Reads no more. */
  close(): void;
};

/**
 * Takes the credentials of the step that this process works in from the descriptor on which its parent sends them: `stint
 * step run --credential-fd`, or `step.credentialPipe()`. Once a process, since what is read is gone. It does not keep
 * the process alive.
 *
 * @param fd - absent: what `STINT_CREDENTIAL_FD` says.
 * @throws StintError NO_CREDENTIALS when nothing is sent to this process
 */
export function credentialsFromFd(fd?: number): ReceivedCredentials {
  const socket = new Socket({ fd: checkDescriptor(fd), readable: true, writable: false });
  const newest = new Map<string, ReceivedCredential>();
  const ended = new AbortController();
  let waiting: (() => void)[] = [];
  let unfinished = "";

  function wake(): void {
    const woken = waiting;
    waiting = [];
    for (const resolve of woken) resolve();
  }
  function end(error: StintError): void {
    newest.clear();
    unfinished = "";
    ended.abort(error);
    socket.destroy();
    wake();
  }
  const over = () => end(new StintError("STEP_CLOSED", "the step has ended: its credentials are no longer sent"));
  function take(chunk: string): void {
    const lines = (unfinished + chunk).split("\n");
    unfinished = lines.pop() ?? "";
    for (const text of lines) {
      const line = credentialLineFrom(text);
      if (line === undefined) {
        end(noLine());
        return;
      }
      newest.set(line.audience, receivedOf(line));
    }
    if (unfinished.length > LINE_LENGTH_MAX) end(noLine());
    wake();
  }
  socket.setEncoding("utf8");
  socket.on("data", take);
  socket.on("error", over);
  // A line without its end, the last one's, is none.
  socket.on("close", over);
  socket.unref();

  /** Until something comes. Meanwhile the process has a reason to go on. */
  async function nextNews(ms: number): Promise<void> {
    socket.ref();
    const news = new Promise<void>((resolve) => waiting.push(resolve));
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, ms);
    await Promise.race([news, late.promise]);
    clearTimeout(timer);
    if (waiting.length === 0) socket.unref();
  }

  return {
    signal: ended.signal,
    async credential(audience) {
      const endsAt = performance.now() + WAIT_MS_MAX;
      for (;;) {
        ended.signal.throwIfAborted();
        const held = newest.get(audience);
        if (held !== undefined && held.expiresAt.getTime() > Date.now()) return held;
        const leftMs = endsAt - performance.now();
        if (leftMs <= 0) throw lacking(audience, held);
        await nextNews(leftMs);
      }
    },
    close: over,
  };
}

function noLine(): StintError {
  return new StintError("BROKER_FAILED", "what was sent to this process is no line of a credential");
}

function lacking(audience: string, held: ReceivedCredential | undefined): StintError {
  return held === undefined
    ? new StintError("AUDIENCE_INVALID", `no credential for ${audience} was sent`)
    : new StintError("UNREACHABLE", `the credential for ${audience} has expired, and no other was sent`);
}

function receivedOf({ audience, token, expiresAt }: CredentialLine): ReceivedCredential {
  return concealedToken(
    token,
    { name: `Credential(${audience})`, what: "credential", facts: { audience, expiresAt }, json: { audience } },
    { token: () => token, authorization: () => `Bearer ${token}` },
  );
}

/** A variable that was passed on to a process without the descriptor names nothing, or something else. */
function checkDescriptor(given: number | undefined): number {
  const text = process.env[CREDENTIAL_FD_VARIABLE] ?? "";
  if (given === undefined && text === "") {
    throw new StintError(
      "NO_CREDENTIALS",
      `${CREDENTIAL_FD_VARIABLE} is not set: nobody sends this process credentials`,
    );
  }
  const fd = given ?? (/^[0-9]{1,9}$/.test(text) ? Number(text) : Number.NaN);
  const stats = Number.isSafeInteger(fd) ? statOf(fd) : undefined;
  if (stats?.isFIFO() === true || stats?.isSocket() === true) return fd;
  const where = given === undefined ? CREDENTIAL_FD_VARIABLE : "fd";
  throw new StintError("NO_CREDENTIALS", `${where} names no pipe that this process has`);
}

function statOf(fd: number): ReturnType<typeof fstatSync> | undefined {
  try {
    return fstatSync(fd);
  } catch {
    return undefined;
  }
}
