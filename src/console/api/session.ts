import { learnTime } from "../live/broker-time.ts";

/** Who is signed in, as the broker says. */
export type ConsoleSession = {
  readonly trustDomain: string;
  readonly ways: readonly ("link" | "oidc")[];
  /** Absent: nobody. */
  readonly operators?: readonly { readonly name: string; readonly role: string }[];
  readonly expiresAt?: string;
};

const SESSION = "/console/session";

/** @throws Error where no broker answers */
export async function currentSession(): Promise<ConsoleSession> {
  const answer = await fetch(SESSION, { headers: { accept: "application/json" } });
  if (!answer.ok) throw new Error("the broker does not answer");
  learnTime(answer);
  return answer.json();
}

/** Signs in by the code of a link. @returns why not, if not */
export async function signInByCode(code: string): Promise<string | undefined> {
  const answer = await fetch(SESSION, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ code }),
  });
  return answer.ok ? undefined : (await answer.text()).trim();
}

export async function signOut(): Promise<void> {
  await fetch(SESSION, { method: "DELETE" });
}
