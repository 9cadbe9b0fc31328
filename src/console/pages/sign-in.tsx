import type { ConsoleSession } from "../api/session.ts";

/** How to get in. */
export function SignIn({
  session,
  trouble,
}: {
  readonly session: ConsoleSession;
  readonly trouble: string | undefined;
}) {
  return (
    <>
      <h1>Sign in</h1>
      {trouble !== undefined && (
        <p class="trouble" role="alert">
          {trouble}
        </p>
      )}
      {session.ways.includes("oidc") && (
        <p>
          <a class="act" href="/console/sign-in">
            Sign in at your OpenID provider
          </a>
        </p>
      )}
      <p>
        {session.ways.includes("oidc") ? "Or, on" : "On"} the broker's machine: <code>stint console open</code> prints a
        link that is good once, for a minute.
      </p>
    </>
  );
}
