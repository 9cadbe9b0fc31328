import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { whenSignedOut } from "./api/clients.ts";
import { type ConsoleSession, currentSession, signInByCode, signOut } from "./api/session.ts";
import { followBroker } from "./live/live.ts";
import { useLive } from "./live/use-live.ts";
import { IssuancePage } from "./pages/issuance.tsx";
import { Now } from "./pages/now.tsx";
import { PoliciesPage, PolicySetPage } from "./pages/policies.tsx";
import { ProofPage } from "./pages/proof.tsx";
import { ReachPage } from "./pages/reach.tsx";
import { RunPage } from "./pages/run.tsx";
import { Search } from "./pages/search.tsx";
import { SignIn } from "./pages/sign-in.tsx";
import { StepPage } from "./pages/step.tsx";
import { WhyPage } from "./pages/why.tsx";
import { Link } from "./parts/link.tsx";
import { Nothing } from "./parts/states.tsx";
import { Text } from "./parts/text.tsx";
import { go, type Place, placeOf, usePlace } from "./route.ts";

const PAGES = [
  ["now", [], "Now"],
  ["search", ["search", "steps"], "History"],
  ["reach", ["reach"], "Blast radius"],
  ["policies", ["policies"], "Policies"],
  ["proof", ["proof"], "Proof"],
] as const;

/** The code of a link is in the fragment: browsers send it to nobody, and it is gone from the address at once. */
function codeOfLink(): string | undefined {
  const code = location.hash.slice(1);
  if (!/^[\w-]{43}$/.test(code)) return undefined;
  history.replaceState(null, "", location.pathname);
  return code;
}

export function App() {
  const [session, setSession] = useState<ConsoleSession>();
  const [trouble, setTrouble] = useState<string>();
  const look = useCallback(async () => {
    try {
      setSession(await currentSession());
    } catch {
      setTrouble("The broker does not answer.");
      setTimeout(() => void look(), 2_000);
    }
  }, []);

  useEffect(() => {
    whenSignedOut(() => {
      setTrouble("You are not signed in any more.");
      void look();
    });
    const code = codeOfLink();
    const began = code === undefined ? Promise.resolve(undefined) : signInByCode(code);
    const failed = new URLSearchParams(location.search).get("sign-in") === "failed";
    if (failed) setTrouble("The sign-in failed; the broker's log says why.");
    void began.then((why) => {
      if (why !== undefined) setTrouble(why);
      return look();
    });
  }, [look]);

  if (session === undefined)
    return (
      <main>
        {trouble === undefined ? (
          <Nothing>Loading…</Nothing>
        ) : (
          <p class="trouble" role="alert">
            {trouble}
          </p>
        )}
      </main>
    );
  if (session.operators === undefined) {
    return (
      <main>
        <SignIn session={session} trouble={trouble} />
      </main>
    );
  }
  return (
    <SignedIn
      session={session}
      onSignOut={() =>
        void signOut().then(() => {
          setTrouble(undefined);
          go(placeOf([]));
          return look();
        })
      }
    />
  );
}

function SignedIn({ session, onSignOut }: { readonly session: ConsoleSession; readonly onSignOut: () => void }) {
  const place = usePlace();
  const [section = "now"] = place.path;
  useEffect(followBroker, []);
  useEffect(() => {
    const name = PAGES.find(([page]) => page === section)?.[2] ?? section;
    document.title = `${name} · Stint · ${session.trustDomain}`;
  }, [section, session.trustDomain]);
  // Whoever comes from another page by keyboard, or listens, begins at the new page's head.
  const path = place.path.join("/");
  const before = useRef(path);
  useEffect(() => {
    if (before.current !== path) document.getElementById("page")?.focus({ preventScroll: true });
    before.current = path;
  }, [path]);
  return (
    <>
      <a class="skip" href="#page">
        To the page
      </a>
      <header>
        <p class="name">
          Stint <Text text={session.trustDomain} />
        </p>
        <nav aria-label="Pages">
          {PAGES.map(([page, to, name]) => (
            <Link key={page} to={placeOf([...to])} current={page === section}>
              {name}
            </Link>
          ))}
        </nav>
        <Liveness />
        <p class="who">
          {session.operators?.map(({ name, role }) => `${name} (${role})`).join(", ")}{" "}
          <button type="button" onClick={onSignOut}>
            Sign out
          </button>
        </p>
      </header>
      <main id="page" tabIndex={-1}>
        <Page place={place} />
      </main>
    </>
  );
}

/** Whether what is shown is of now. */
function Liveness() {
  const { state, sequence, heardAt } = useLive();
  const since = new Date(heardAt).toISOString().slice(11, 19);
  const said = {
    connecting: "connecting…",
    live: `live, event ${sequence}`,
    stale: `stale: nothing heard since ${since}Z`,
    away: `stale: the broker does not answer since ${since}Z`,
  }[state];
  return (
    <p class={`live live-${state}`}>
      <span role="status">{state === "live" ? "" : said}</span>
      <span>{state === "live" ? said : ""}</span>
    </p>
  );
}

function Page({ place: { path, query } }: { readonly place: Place }) {
  const [section = "now", of = ""] = path;
  switch (section) {
    case "now":
      return <Now />;
    case "search":
      return <Search list={of} query={query} key={of} />;
    case "runs":
      return <RunPage runId={of} key={of} />;
    case "steps":
      return <StepPage stepId={of} key={of} />;
    case "issuances":
      return <IssuancePage issuanceId={of} key={of} />;
    case "why":
      return <WhyPage decisionId={of} key={of} />;
    case "policies":
      return /^[0-9]{1,9}$/.test(of) ? <PolicySetPage version={Number(of)} key={of} /> : <PoliciesPage />;
    case "reach":
      return <ReachPage query={query} />;
    case "proof":
      return <ProofPage query={query} key={String(query)} />;
    default:
      return (
        <>
          <h1>Nothing here</h1>
          <p>
            This address is no page of the console. <Link to={placeOf([])}>To the beginning</Link>
          </p>
        </>
      );
  }
}
