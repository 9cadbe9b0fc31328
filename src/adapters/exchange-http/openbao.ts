import { createHash } from "node:crypto";
import { ExchangeFailure, secondsToAskFor } from "../../domain/exchange.ts";
import { filledIn } from "../../domain/step-names.ts";
import { addSeconds, type UnixSeconds } from "../../domain/time.ts";
import type { ExchangeOrder, ExchangeTarget, IssuedSecret } from "../../ports/exchange-target.ts";
import { answeredMembers, type Members, membersOf, secondsIn, textIn, unexpected } from "./answered-json.ts";
import { type Answer, ask, type Endpoint, type Question } from "./ask.ts";

export type OpenBaoOptions = Omit<Endpoint, "url"> & {
  /** Origin. */
  readonly url: URL;
  /** Mount of the auth method for JWTs, e.g. `jwt`. */
  readonly mount: string;
  /** A template. */
  readonly role: string;
  /** What is read with the step's token, e.g. `database/creds/reader`; a template. Absent: the token is the secret. */
  readonly path?: string;
  /** The broker's own token, which ends those of steps. */
  readonly token: () => string;
};

/** Tokens that are looked through for one that nobody knows the accessor of. */
const ACCESSORS_MAX = 10_000;

/**
 * OpenBao, or Vault: a step's JWT-SVID logs in, and what is read with the token that this gives is the secret. The token is
 * revoked by its accessor, and with it all that it was given: leases, dynamic credentials.
 *
 * A token whose accessor is not known is found by its display name, which holds the step's SPIFFE ID: the role's
 * `user_claim` has to be `sub`.
 */
export function openBaoTarget(options: OpenBaoOptions): ExchangeTarget {
  const { mount, path } = options;

  const asking = (where: string, question: Question): Promise<Answer> =>
    ask({ ...options, url: new URL(`/v1/${where}`, options.url) }, question);
  const posting = (where: string, token: string, body: object): Promise<Answer> =>
    asking(where, { method: "POST", mayExist: true, headers: headersFor(token), body: JSON.stringify(body) });

  async function revoke(accessor: string): Promise<void> {
    const answer = await posting("auth/token/revoke-accessor", options.token(), { accessor });
    if (answer.status === 204 || answer.status === 200 || isGone(answer)) return;
    throw unexpected(answer, { mayExist: true });
  }

  async function login({ token: jwt, names }: ExchangeOrder): Promise<Login> {
    const answer = await posting(`auth/${mount}/login`, "", { role: filledIn(options.role, names), jwt });
    if (answer.status !== 200) throw unexpected(answer, { mayExist: answer.status >= 500 });
    const auth = membersOf(answeredMembers(answer)["auth"]);
    const [token, accessor] = [textIn(auth, "client_token"), textIn(auth, "accessor")];
    if (token === undefined) throw unusable("answered without a token");
    if (accessor === undefined)
      throw unusable("gives tokens that can't be revoked: the role's token_type has to be service");
    return { token, accessor, seconds: secondsIn(auth, "lease_duration") ?? Number.POSITIVE_INFINITY };
  }

  /** @returns what is left of the token's life, in seconds: no more than asked for. */
  async function shortened({ token, seconds }: Login, wanted: number): Promise<number> {
    if (seconds <= wanted) return seconds;
    const answer = await posting("auth/token/renew-self", token, { increment: `${wanted}s` });
    const renewed = secondsIn(membersOf(answeredMembers(answer)["auth"]), "lease_duration");
    if (answer.status === 200 && renewed !== undefined && renewed <= wanted) return renewed;
    throw unusable("gives a token that outlives the step: set token_max_ttl, or let the token renew itself");
  }

  async function secretOf({ token }: Login, { names }: ExchangeOrder): Promise<Readonly<Record<string, string>>> {
    if (path === undefined) return { token };
    const answer = await asking(filledIn(path, names), { method: "GET", mayExist: true, headers: headersFor(token) });
    if (answer.status !== 200) throw unexpected(answer, { mayExist: true });
    const fields = textFields(dataOf(answeredMembers(answer)));
    if (Object.keys(fields).length === 0) throw unusable("answered without a field of text");
    return fields;
  }

  async function afterLogin(own: Login, order: ExchangeOrder): Promise<IssuedSecret> {
    const seconds = await shortened(own, secondsToAskFor(order));
    return {
      secret: await secretOf(own, order),
      expiresAt: Math.min(order.expiresAt, addSeconds(order.now, seconds)) as UnixSeconds,
      reference: `accessor sha256:${createHash("sha256").update(own.accessor).digest("hex")}`,
      handle: own.accessor,
    };
  }

  async function accessorsOf(spiffeId: string): Promise<readonly string[]> {
    const headers = headersFor(options.token());
    const listed = await asking("auth/token/accessors", { method: "LIST", mayExist: true, headers });
    if (listed.status !== 200) throw unexpected(listed, { mayExist: true });
    const keys = membersOf(answeredMembers(listed)["data"])["keys"];
    const accessors = Array.isArray(keys) ? keys.filter((one) => typeof one === "string") : [];
    if (accessors.length > ACCESSORS_MAX) throw unusable(`has more than ${ACCESSORS_MAX} tokens to look through`);
    const found: string[] = [];
    for (const accessor of accessors) {
      const answer = await posting("auth/token/lookup-accessor", options.token(), { accessor });
      if (isGone(answer)) continue;
      if (answer.status !== 200) throw unexpected(answer, { mayExist: true });
      const data = membersOf(answeredMembers(answer)["data"]);
      if (data["path"] === `auth/${mount}/login` && textIn(data, "display_name")?.endsWith(spiffeId) === true) {
        found.push(accessor);
      }
    }
    return found;
  }

  return {
    kind: "openbao",
    takesToken: true,
    secondsMin: 0,
    async issue(order) {
      const own = await login(order);
      try {
        return await afterLogin(own, order);
      } catch (thrown) {
        // Whatever the failure says of itself, there is a token by now.
        if (!(thrown instanceof ExchangeFailure)) throw thrown;
        const { kind, message, detail } = thrown;
        throw new ExchangeFailure(kind, message, { mayExist: true, handle: own.accessor, detail });
      }
    },
    async end({ handle, spiffeId, others }) {
      const accessors = handle === undefined ? await accessorsOf(spiffeId) : [handle];
      for (const accessor of accessors) if (!others.includes(accessor)) await revoke(accessor);
    },
  };
}

type Login = { readonly token: string; readonly accessor: string; readonly seconds: number };

function headersFor(token: string): Readonly<Record<string, string>> {
  return { "content-type": "application/json", ...(token === "" ? {} : { "x-vault-token": token }) };
}

function unusable(what: string): ExchangeFailure {
  return new ExchangeFailure("refused", what, { mayExist: true });
}

/** What an accessor that names no token any more is answered with. */
function isGone({ status, text }: Answer): boolean {
  return (status === 400 || status === 403 || status === 404) && text.includes("invalid accessor");
}

/** A key-value engine of version 2 has its fields one level deeper, beside their metadata. */
function dataOf(answer: Members): Members {
  const data = membersOf(answer["data"]);
  return "metadata" in data && typeof data["data"] === "object" ? membersOf(data["data"]) : data;
}

function textFields(data: Members): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(data).filter((field): field is [string, string] => typeof field[1] === "string"),
  );
}
