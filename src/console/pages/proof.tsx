import type { MessageInitShape } from "@bufbuild/protobuf";
import { useEffect, useState } from "preact/hooks";
import type { DataRecord } from "../../cli/output/view.ts";
import type { ProveRequestSchema } from "../../gen/stint/v1/ledger_pb.js";
import { ledger, steps } from "../api/clients.ts";
import { type Problem, problemOf } from "../api/problem.ts";
import { Trouble } from "../parts/states.tsx";
import { Value } from "../parts/value.tsx";

type Subject = NonNullable<Exclude<MessageInitShape<typeof ProveRequestSchema>, { $typeName: string }>["subject"]>;

/** What can be proved, by the names that it has in addresses. */
const SUBJECTS: Readonly<Record<string, { readonly says: string; readonly of: (value: string) => Subject }>> = {
  issuance: { says: "an issuance, by its id", of: (value) => ({ case: "issuanceId", value }) },
  jti: { says: "a JWT-SVID or WIT-SVID, by its jti", of: (value) => ({ case: "jti", value }) },
  serial: { says: "an X.509-SVID, by its serial number", of: (value) => ({ case: "serialNumber", value }) },
  decision: { says: "a decision, by its id", of: (value) => ({ case: "decisionId", value }) },
  sequence: {
    says: "an event, by its sequence",
    of: (value) => ({ case: "sequence", value: BigInt(/^[0-9]{1,18}$/.test(value) ? value : "0") }),
  },
};
const STEP = "step";

type Outcome = { readonly holds: true; readonly record: DataRecord } | { readonly holds: false; readonly why: string };

/**
 * Checks a receipt, or a closure receipt, in the browser. The key is pasted by whoever checks, who had it from somebody else than the broker: a
 * key that came with the proof would prove nothing.
 */
export function ProofPage({ query }: { readonly query: URLSearchParams }) {
  const [named, of] = [...query].find(([name]) => name in SUBJECTS || name === STEP) ?? ["issuance", ""];
  const [kind, setKind] = useState(named);
  const [value, setValue] = useState(of);
  const [proof, setProof] = useState("");
  const [key, setKey] = useState("");
  const [witnesses, setWitnesses] = useState("");
  const [problem, setProblem] = useState<Problem>();
  const [outcome, setOutcome] = useState<Outcome>();

  async function fetchProof(): Promise<void> {
    setProblem(undefined);
    setOutcome(undefined);
    try {
      setProof(await proofOf(kind, value));
    } catch (thrown) {
      setProblem(problemOf(thrown));
    }
  }
  // What the address names is fetched at once, and once.
  useEffect(() => {
    if (of !== "") void fetchProof();
  }, []);

  async function verify(): Promise<void> {
    try {
      const { check } = await import("../proof/check.ts");
      setOutcome({ holds: true, record: check(proof, key, witnesses) });
    } catch (thrown) {
      setOutcome({ holds: false, why: thrown instanceof Error ? thrown.message : String(thrown) });
    }
  }

  return (
    <>
      <h1>Proof</h1>
      <p>
        A receipt proves to somebody who has the ledger's key, and does not trust the broker, that an event is in the
        ledger. This page checks it in the browser, by the code of <code>stint ledger check</code>. Paste the key that
        you had from somebody else; one that comes from here with the proof proves nothing.
      </p>
      <form
        class="terms"
        onSubmit={(event) => {
          event.preventDefault();
          void fetchProof();
        }}
      >
        <label>
          What
          <select value={kind} onChange={(event) => setKind(event.currentTarget.value)}>
            {Object.entries(SUBJECTS).map(([name, { says }]) => (
              <option key={name} value={name}>
                {says}
              </option>
            ))}
            <option value={STEP}>the closure of a step, by its id</option>
          </select>
        </label>
        <label>
          Id or number
          <input type="text" value={value} maxLength={512} onInput={(event) => setValue(event.currentTarget.value)} />
        </label>
        <button type="submit">Fetch the receipt</button>
      </form>
      {problem !== undefined && <Trouble problem={problem} />}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void verify();
        }}
      >
        <label>
          Receipt
          <textarea
            class="fixed"
            rows={10}
            spellcheck={false}
            value={proof}
            onInput={(event) => setProof(event.currentTarget.value)}
          />
        </label>
        <label>
          Key of the ledger
          <input
            class="fixed"
            type="text"
            spellcheck={false}
            autocomplete="off"
            value={key}
            onInput={(event) => setKey(event.currentTarget.value)}
          />
        </label>
        <label>
          Keys of witnesses that have to have signed too, one a line
          <textarea
            class="fixed"
            rows={2}
            spellcheck={false}
            value={witnesses}
            onInput={(event) => setWitnesses(event.currentTarget.value)}
          />
        </label>
        <p class="buttons">
          <button type="submit" class="act" disabled={proof === "" || key === ""}>
            Check it here
          </button>
        </p>
      </form>
      <div role="status">
        {outcome?.holds === false && (
          <p class="trouble">
            <strong>It does not hold: </strong>
            {outcome.why}
          </p>
        )}
        {outcome?.holds === true && (
          <section aria-labelledby="holds">
            <h2 id="holds" class="good">
              It holds
            </h2>
            <Value name="checked" value={outcome.record} />
          </section>
        )}
      </div>
    </>
  );
}

async function proofOf(kind: string, value: string): Promise<string> {
  if (kind === STEP) return (await steps.getClosureReceipt({ by: { case: "stepId", value } })).receipt;
  const subject = SUBJECTS[kind]?.of(value);
  return subject === undefined ? "" : (await ledger.prove({ subject })).proof;
}
