import { useState } from "preact/hooks";
import { flipView } from "../../cli/output/flip-view.ts";
import { policySetView } from "../../cli/output/policy-set-view.ts";
import type { Policy, PolicyFinding, PolicyFlip, PolicySet, ReplayProgress } from "../../gen/stint/v1/policies_pb.js";
import { policies } from "../api/clients.ts";
import { type Problem, problemOf } from "../api/problem.ts";
import { brokerNow } from "../live/broker-time.ts";
import { useLoaded } from "../live/use-live.ts";
import { Lines } from "../parts/lines.tsx";
import { Link } from "../parts/link.tsx";
import { Question } from "../parts/question.tsx";
import { Save } from "../parts/save.tsx";
import { Nothing, Shown, Trouble } from "../parts/states.tsx";
import { Table } from "../parts/table.tsx";
import { Text } from "../parts/text.tsx";
import { placeOf } from "../route.ts";

const FILE = "console.cedar";
const FLIPS_SHOWN = 500;
/** Of a message, bytes: the broker takes a file in parts. */
const PART_BYTES = 32 * 1_024;

/** The sets of policies, and a place to try another one before it decides anything. */
export function PoliciesPage() {
  const loaded = useLoaded((signal) => policies.list({}, { signal }), [], { restMs: 2_000 });
  const [activating, setActivating] = useState<PolicySet>();
  return (
    <>
      <h1>Policies</h1>
      <Shown loaded={loaded}>
        {({ sets, activation, declaredVersion }) => (
          <section aria-labelledby="sets">
            <h2 id="sets">Sets</h2>
            <p>
              {activation === undefined || activation.version === 0
                ? "None is in force: nothing but ceilings decides"
                : `Version ${activation.version} is in force`}
              {activation !== undefined && activation.reason !== "" && (
                <>
                  , because: <Text text={activation.reason} />
                </>
              )}
              .{declaredVersion > 0 && ` The configuration declares version ${declaredVersion}.`}
            </p>
            {sets.length > 0 && (
              <Table
                caption="Sets of policies, newest first"
                view={policySetView}
                rows={sets}
                keyOf={({ version }) => String(version)}
                to={({ version }) => placeOf(["policies", String(version)])}
              />
            )}
            <p class="buttons">
              {sets
                .filter(({ inForce }) => !inForce)
                .slice(0, 5)
                .map((set) => (
                  <button type="button" key={set.version} onClick={() => setActivating(set)}>
                    Activate version {set.version}
                  </button>
                ))}
            </p>
          </section>
        )}
      </Shown>
      <Playground versions={loaded.data?.sets.map(({ version }) => version) ?? []} onPut={loaded.reload} />
      {activating !== undefined && (
        <Activate
          version={activating.version}
          onDone={() => {
            setActivating(undefined);
            loaded.reload();
          }}
          onClose={() => setActivating(undefined)}
        />
      )}
    </>
  );
}

function Activate({
  version,
  onDone,
  onClose,
}: {
  readonly version: number;
  readonly onDone: () => void;
  readonly onClose: () => void;
}) {
  const dry = useLoaded((signal) => policies.activate({ version, dryRun: true }, { signal }), [version], {
    once: true,
  });
  return (
    <Question
      {...{
        onDone,
        onClose,
        title: `Activate version ${version}`,
        act: `Activate version ${version}`,
        reasonNeeded: true,
      }}
      acting={async (reason) => void (await policies.activate({ version, reason }))}
    >
      <Shown loaded={dry}>
        {({ stepsClosed }) => (
          <p>
            It decides from then on, and{" "}
            {stepsClosed === 0
              ? "closes no open step"
              : `closes ${stepsClosed} open step${stepsClosed === 1 ? "" : "s"} that it does not permit`}
            .
          </p>
        )}
      </Shown>
    </Question>
  );
}

type Tried =
  | { readonly kind: "checked"; readonly findings: readonly PolicyFinding[] }
  | {
      readonly kind: "replayed";
      readonly flips: readonly PolicyFlip[];
      readonly progress: ReplayProgress | undefined;
      readonly findings: readonly PolicyFinding[];
    }
  | { readonly kind: "put"; readonly version: number };

function Playground({ versions, onPut }: { readonly versions: readonly number[]; readonly onPut: () => void }) {
  const [text, setText] = useState("");
  const [isOnBaseline, setOnBaseline] = useState(true);
  const [since, setSince] = useState("1");
  const [tried, setTried] = useState<Tried>();
  const [problem, setProblem] = useState<Problem>();
  const [isUnderWay, setUnderWay] = useState(false);

  async function attempt(act: () => Promise<Tried | undefined>): Promise<void> {
    setUnderWay(true);
    setProblem(undefined);
    try {
      setTried(await act());
    } catch (thrown) {
      setProblem(problemOf(thrown));
    } finally {
      setUnderWay(false);
    }
  }

  /** A set as it is has the broker's own policies among its own. */
  const edit = (version: number) =>
    attempt(async () => {
      const texts = (await policiesOf(version)).map((policy) => policy.text);
      setText(`${texts.join("\n\n")}\n`);
      setOnBaseline(false);
      return undefined;
    });
  const check = async (): Promise<Tried> => ({
    kind: "checked",
    findings: (await policies.check(parts(text, isOnBaseline))).findings,
  });
  const put = async (): Promise<Tried> => {
    const { set, findings } = await policies.put(parts(text, isOnBaseline));
    onPut();
    return set === undefined ? { kind: "checked", findings } : { kind: "put", version: set.version };
  };
  const replay = async (): Promise<Tried> => {
    const flips: PolicyFlip[] = [];
    const findings: PolicyFinding[] = [];
    let progress: ReplayProgress | undefined;
    const from = { seconds: BigInt(Math.floor(brokerNow() / 1_000) - Math.round(Number(since) * 86_400)), nanos: 0 };
    for await (const { message } of policies.replay(parts(text, isOnBaseline, { since: from }))) {
      if (message.case === "flip") flips.push(message.value);
      else if (message.case === "finding") findings.push(message.value);
      else if (message.case === "progress") progress = message.value;
    }
    return { kind: "replayed", flips, progress, findings };
  };

  return (
    <section aria-labelledby="playground">
      <h2 id="playground">Playground</h2>
      <p class="buttons">
        {versions.slice(0, 5).map((version) => (
          <button type="button" key={version} disabled={isUnderWay} onClick={() => void edit(version)}>
            Edit a copy of version {version}
          </button>
        ))}
      </p>
      <label>
        Policies, in the language of Cedar
        <textarea rows={12} spellcheck={false} value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      <p class="buttons">
        <label class="check">
          <input
            type="checkbox"
            checked={isOnBaseline}
            onChange={(event) => setOnBaseline(event.currentTarget.checked)}
          />
          with the policies that come with the broker
        </label>
        <label>
          Replay the last days
          <input
            type="number"
            min="0.01"
            max="3650"
            step="any"
            value={since}
            onInput={(event) => setSince(event.currentTarget.value)}
          />
        </label>
      </p>
      <p class="buttons">
        <button type="button" disabled={isUnderWay} onClick={() => void attempt(check)}>
          Validate
        </button>
        <button type="button" disabled={isUnderWay || !(Number(since) > 0)} onClick={() => void attempt(replay)}>
          Replay over history
        </button>
        <button type="button" disabled={isUnderWay} onClick={() => void attempt(put)}>
          Record as a new version
        </button>
      </p>
      {problem !== undefined && <Trouble problem={problem} />}
      <div role="status">{isUnderWay ? "At work…" : tried !== undefined && <Result tried={tried} />}</div>
    </section>
  );
}

function Result({ tried }: { readonly tried: Tried }) {
  if (tried.kind === "put") {
    return (
      <p>
        Recorded as <Link to={placeOf(["policies", String(tried.version)])}>version {tried.version}</Link>. It decides
        nothing until it is activated.
      </p>
    );
  }
  if (tried.findings.length > 0 || tried.kind === "checked") return <Findings findings={tried.findings} />;
  const { flips, progress } = tried;
  return (
    <>
      <p>
        {String(progress?.decisions ?? 0n)} decisions were decided again, {String(progress?.skipped ?? 0n)} could not
        be; {flips.length} would be others.
      </p>
      {flips.length > 0 && (
        <>
          <Save name="flips" view={flipView} rows={flips} />
          <Table
            caption="Decisions that would be others"
            view={flipView}
            rows={flips.slice(0, FLIPS_SHOWN)}
            keyOf={({ decision }) => decision?.decisionId ?? ""}
            to={({ decision }) => placeOf(["why", decision?.decisionId ?? ""])}
          />
        </>
      )}
    </>
  );
}

function Findings({ findings }: { readonly findings: readonly PolicyFinding[] }) {
  if (findings.length === 0) return <p>Nothing is wrong with these policies.</p>;
  return (
    <ul class="trouble">
      {findings.map(({ file, line, column, policyId, message }) => (
        <li key={`${file} ${line} ${column} ${message}`}>
          {file}:{line}:{column} {policyId !== "" && <Text text={`${policyId}: `} />}
          <Text text={message} />
        </li>
      ))}
    </ul>
  );
}

/** A set of one file, in parts that the broker takes. */
async function* parts<More extends object>(text: string, baseline: boolean, more?: More) {
  const bytes = new TextEncoder().encode(text);
  yield { baseline, ...more };
  for (let at = 0; at < bytes.length; at += PART_BYTES) {
    yield { part: { file: FILE, text: bytes.slice(at, at + PART_BYTES) } };
  }
}

async function policiesOf(version: number, signal?: AbortSignal): Promise<readonly Policy[]> {
  const all: Policy[] = [];
  for await (const { part } of policies.get({ version }, signal === undefined ? {} : { signal })) {
    if (part.case === "policy") all.push(part.value);
  }
  return all;
}

/** The policies of one version, with their text. */
export function PolicySetPage({ version }: { readonly version: number }) {
  const loaded = useLoaded((signal) => policiesOf(version, signal), [version], { once: true });
  return (
    <>
      <h1>Policies, version {version}</h1>
      <Shown loaded={loaded}>
        {(all) =>
          all.length === 0 ? (
            <Nothing>It has no policies.</Nothing>
          ) : (
            all.map(({ policyId, file, line, text }) => (
              <article key={policyId}>
                <h2>
                  <Text text={policyId} />{" "}
                  <small>
                    <Text text={`${file}:${line}`} />
                  </small>
                </h2>
                <Lines name={`Policy ${policyId}`} text={text} />
              </article>
            ))
          )
        }
      </Shown>
    </>
  );
}
