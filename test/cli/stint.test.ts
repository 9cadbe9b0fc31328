import { createHash, X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Credentials } from "../../src/gen/stint/v1/credentials_pb.js";
import { Revocations } from "../../src/gen/stint/v1/revocations_pb.js";
import { certificateRequestOf, generateKey } from "../../src/sdk/runtime/certificate-request.ts";
import { openChannel } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { durationOfSeconds } from "../../src/wire/timestamps.ts";
import { cliScene, data, grant, RESOURCE, tool } from "./cli-scene.ts";

const { daemon, stint, operator, openStep } = cliScene();

async function issueToken(stepId: string): Promise<string> {
  const channel = openChannel(daemon().workloadSocket);
  try {
    const { svid } = await createClient(Credentials, channel).issueJwtSvid({
      stepId,
      wanted: { audiences: [RESOURCE] },
    });
    return svid?.svid ?? "";
  } finally {
    channel.close();
  }
}

async function issueCertificate(stepId: string) {
  const channel = openChannel(daemon().workloadSocket);
  try {
    const csr = certificateRequestOf(await generateKey());
    const { svid } = await createClient(Credentials, channel).issueX509Svid({ stepId, csr });
    const der = Buffer.from(svid?.x509Svid[0] ?? []);
    return { issuanceId: svid?.issuanceId, serialNumber: new X509Certificate(der).serialNumber, der };
  } finally {
    channel.close();
  }
}

/** A verifier that acknowledges all it is sent; connected once this resolves. */
async function listen(): Promise<{ stop(): void }> {
  const channel = openChannel(daemon().workloadSocket);
  const call = createClient(Revocations, channel).watch();
  call.send({ message: { case: "hello", value: { audiences: [RESOURCE], maxStaleness: durationOfSeconds(15) } } });
  const first = await call.responses.next();
  expect(first.done).toBe(false);
  void (async () => {
    for await (const { message } of call.responses) {
      const cursor = message.value !== undefined && "cursor" in message.value ? message.value.cursor : undefined;
      if (cursor !== undefined && cursor.length > 0) call.send({ message: { case: "acknowledge", value: { cursor } } });
    }
  })();
  return {
    stop() {
      call.cancel();
      channel.close();
    },
  };
}

const jtiOf = (token: string) =>
  (JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as { readonly jti: string }).jti;

describe("stint step", () => {
  test("opens a step that any process of the agent can fetch credentials for, shows it, and closes it", async () => {
    const stepId = await openStep("run-open", ["--purpose", "look something up", "--expires-in", "2m"]);
    await issueToken(stepId);

    const shown = await data(stint(["-o", "json", "step", "show", "run-open/search"]));
    expect(shown).toMatchObject({
      step_id: stepId,
      state: "OPEN",
      attempt: 1,
      purpose: "look something up",
      spiffe_id: "spiffe://example.org/agent/researcher/run/run-open/step/search/1",
      grant: [tool],
      executor: null,
    });

    const closed = await stint(["step", "close", "run-open/search", "--outcome", "failed"]);
    expect(closed.status).toBe(0);
    expect(closed.out).toMatch(/^state +FAILED$/m);
    expect(closed.out).toMatch(/^credentials_revoked +1$/m);
    expect(closed.out).toMatch(
      /^receipts +applied 0 of 1; mcp-1 (silent; acceptable there until \d\d:\d\d:\d\d|lapsed)/m,
    );
    expect((await operator(["step", "show", stepId])).out).toMatch(/^receipts +applied 0 of 1; mcp-1 /m);
  });

  test("says of a refusal its reason, its message and the decision, and exits with 1", async () => {
    const wider = JSON.stringify([{ ...tool, actions: ["write"] }]);
    const args = ["step", "open", "--run", "run-wide", "--step", "s", "--agent", "researcher", "--executor", "any"];
    const refused = await stint([...args, "--grant", wider]);
    expect(refused).toMatchObject({ status: 1, out: "" });
    expect(refused.err).toMatch(
      /^stint: POLICY_DENIED: above the agent's ceiling: search.*; .*: stint explain dec_[0-9a-f-]+\n$/,
    );

    const decisionId = /dec_[0-9a-f-]+/.exec(refused.err)?.[0] ?? "";
    const decisions = await data(operator(["-o", "json", "history", "decisions", "--decision-id", decisionId]));
    expect(decisions).toMatchObject([
      { decision_id: decisionId, effect: "deny", reason: "POLICY_DENIED", run_id: "run-wide" },
    ]);
  });

  test("waits for the receipts of a verifier that listens, and tells of it", async () => {
    const stepId = await openStep("run-receipts");
    await issueToken(stepId);
    const verifier = await listen();
    try {
      const connected = await data(operator(["-o", "json", "verifier", "list"]));
      expect(connected).toMatchObject([{ name: "mcp-1", connected: true, audiences: [RESOURCE] }]);
      const closed = await stint(["step", "close", stepId, "--await-receipts", "30s"]);
      expect(closed.out).toMatch(/^receipts +applied 1 of 1/m);
      const shown = await data(operator(["-o", "json", "step", "show", stepId]));
      expect(shown["receipts"]).toMatchObject({
        expected: 1,
        applied: 1,
        verifiers: [{ verifier: "mcp-1", state: "APPLIED" }],
      });
    } finally {
      verifier.stop();
    }
  });

  test("reads a grant from a file, and opens what of it is permitted", async () => {
    const file = join(daemon().directory, "grant.json");
    writeFileSync(file, JSON.stringify([tool, { ...tool, identifier: "delete" }]));
    const args = ["step", "open", "--run", "run-part", "--step", "s", "--agent", "researcher", "--executor", "any"];
    const opened = await data(stint(["-o", "json", ...args, "--grant", `@${file}`, "--allow-partial"]));
    expect(opened).toMatchObject({ grant: [tool], refused: [{ identifier: "delete" }] });
  });

  test("lists by state and run, newest first, page by page", async () => {
    for (const _ of [1, 2, 3]) {
      const stepId = await openStep("run-list");
      await stint(["step", "close", stepId]);
    }
    const list = ["-o", "json", "step", "list", "--run", "run-list", "--state", "completed"];
    const first = await operator([...list, "--limit", "2"]);
    expect((JSON.parse(first.out) as { attempt: number }[]).map((step) => step.attempt)).toEqual([3, 2]);
    const token = /^stint: more with --page-token (\S+)\n$/.exec(first.err)?.[1] ?? "";
    const rest = await data(operator([...list, "--limit", "2", "--page-token", token]));
    expect(rest.map((step) => step["attempt"])).toEqual([1]);
  });
});

describe("stint history", () => {
  test("finds credentials by run, kind, state, jti, and whether they are live", async () => {
    const stepId = await openStep("run-history");
    const [first, second] = [await issueToken(stepId), await issueToken(stepId)];
    const jtis = async (...flags: readonly string[]) =>
      (await data(operator(["-o", "json", "history", "issuances", "--run", "run-history", ...flags]))).map(
        (one) => one["jti"],
      );

    expect(await jtis()).toEqual([jtiOf(second), jtiOf(first)]);
    expect(await jtis("--kind", "x509")).toEqual([]);
    expect(await jtis("--live", "--kind", "jwt")).toHaveLength(2);
    expect(await jtis("--jti", jtiOf(first))).toEqual([jtiOf(first)]);
    expect(await jtis("--step-id", stepId, "--agent", "researcher", "--since", "1h")).toHaveLength(2);
    expect(await jtis("--until", "1h")).toEqual([]);

    await operator(["revoke", "--jti", jtiOf(first), "--reason", "keyCompromise"]);
    expect(await jtis("--live")).toEqual([jtiOf(second)]);
    expect(await jtis("--state", "revoked")).toEqual([jtiOf(first)]);
  });

  test("prints every format, each row of it the same", async () => {
    const stepId = await openStep("run-formats");
    const of = async (format: string) => (await operator(["-o", format, "history", "steps", "--step-id", stepId])).out;
    expect((await of("table")).split("\n")).toEqual([
      expect.stringMatching(/^STEP_ID +RUN +STEP +ATTEMPT +AGENT +STATE +OPENED +EXPIRES +CLOSED +PRINCIPAL$/),
      expect.stringMatching(new RegExp(`^${stepId} +run-formats +search +1 +researcher +OPEN +2`)),
      "",
    ]);
    const [json] = JSON.parse(await of("json")) as unknown[];
    expect(JSON.parse(await of("jsonl"))).toEqual(json);
    const [header, row] = (await of("csv")).split("\r\n");
    expect(header).toMatch(/^step_id,run_id,step,attempt,agent,state,/);
    expect(row).toMatch(new RegExp(`^${stepId},run-formats,search,1,researcher,OPEN,`));
  });

  test("tells the events of a run as they were hashed", async () => {
    const stepId = await openStep("run-events");
    await stint(["step", "close", stepId]);
    const events = await data(operator(["-o", "json", "history", "events", "--run", "run-events"]));
    expect(events.map((event) => event["type"])).toEqual(["step.closed", "step.opened", "decision.made"]);
    const everything = await data(operator(["-o", "json", "history", "events", "--type", "epoch.started"]));
    expect(everything).toMatchObject([{ sequence: 1, event: { type: "epoch.started", v: 1 } }]);
    for (const { canonical, leaf_hash } of events) {
      expect(createHash("sha256").update(`\0${canonical}`).digest("hex")).toBe(leaf_hash);
    }
  });
});

test("a step that is to be opened for too short a time is refused with the least that it takes", async () => {
  const args = [
    "--run",
    "run-short",
    "--step",
    "s",
    "--agent",
    "researcher",
    "--executor",
    "any",
    "--expires-in",
    "10s",
  ];
  expect((await stint(["step", "open", ...args])).err).toBe(
    "stint: STEP_EXPIRING: at least 10 s have to be left once it is open: ask for a few more\n",
  );
});

describe("a step for which no agent was named", () => {
  test.for([
    { by: "open", more: ["--executor", "any"] },
    { by: "run", more: ["--", "true"] },
  ])("and which is refused is said to have been for dev: step $by", async ({ by, more }) => {
    const ran = await stint(["step", by, "--run", "run-nobody", "--step", "s", ...more]);
    expect(ran.status).toBe(1);
    expect(ran.err).toMatch(
      /^stint: no --agent was given, so it was asked for dev, .*\nstint: (NOT_ENTITLED|ENTRY_NOT_FOUND): [^\n]+\n$/,
    );
  });
});

describe("stint revoke", () => {
  test("tells on a dry run what it would do, and does it without one", async () => {
    const stepId = await openStep("run-revoke");
    await issueToken(stepId);
    const dry = await operator(["revoke", "--run", "run-revoke", "--dry-run"]);
    expect(dry.status).toBe(0);
    expect(dry.out).toContain(stepId);
    expect(dry.err).toBe("stint: would close 1 step and revoke 1 credential; nothing was done\n");
    expect((await data(operator(["-o", "json", "step", "show", stepId])))["state"]).toBe("OPEN");

    const done = await operator(["-o", "json", "revoke", "--run", "run-revoke"]);
    expect(done.err).toMatch(/^stint: closed 1 step and revoked 1 credential; sequence \d+\n$/);
    expect(JSON.parse(done.out)).toMatchObject({
      dry_run: false,
      steps_closed_count: 1,
      steps_closed: [{ step_id: stepId }],
      credentials_revoked: [{ kind: "jwt-svid" }],
      truncated: false,
    });
    expect((await data(operator(["-o", "json", "step", "show", stepId])))["state"]).toBe("REVOKED");
    const again = ["step", "open", "--run", "run-revoke", "--step", "s", "--agent", "researcher", "--executor", "any"];
    expect((await stint(again)).err).toMatch(/^stint: NOT_ENTITLED: /);
  });

  test.for([
    { what: "nothing", args: [] },
    { what: "two things", args: ["--run", "r", "--jti", "j"] },
  ])("asked to revoke $what does nothing", async ({ args }) => {
    const ran = await operator(["revoke", ...args]);
    expect(ran).toMatchObject({
      status: 2,
      err: "stint: one of --jti, --serial, --step-id, --run, --agent says what to revoke\n",
    });
  });

  test("of a run that nobody has opened a step of is refused, unless barring its name is what is meant", async () => {
    const barredRuns = () => data(operator(["-o", "json", "history", "events", "--type", "run.barred"]));
    const before = await barredRuns();
    for (const more of [[], ["--dry-run"]]) {
      expect(await operator(["revoke", "--run", "run-revokd", ...more])).toEqual({
        status: 1,
        out: "",
        err: "stint: no step of a run with this name was ever opened; with --bar none ever will be\n",
      });
    }
    expect(await barredRuns()).toEqual(before);
    const barred = await operator(["revoke", "--run", "run-never", "--bar"]);
    expect(barred).toMatchObject({ status: 0, err: expect.stringMatching(/^stint: closed 0 steps /) });
    const opens = ["step", "open", "--run", "run-never", "--step", "s", "--agent", "researcher", "--executor", "any"];
    expect((await stint(opens)).err).toMatch(/^stint: NOT_ENTITLED: /);
    expect(await operator(["revoke", "--jti", "j", "--bar"])).toMatchObject({
      status: 2,
      err: "stint: --bar goes with --run\n",
    });
  });

  test("of a step that is not there is refused, on a dry run as without one", async () => {
    for (const more of [[], ["--dry-run"]]) {
      expect(await operator(["revoke", "--step-id", "step_01a2257b-c0f9-7871-8066-2a7f285ac33f", ...more])).toEqual({
        status: 1,
        out: "",
        err: "stint: STEP_NOT_FOUND: no such step\n",
      });
    }
  });

  test("of a jti that nothing has is refused", async () => {
    expect(await operator(["revoke", "--jti", "AAAA"])).toMatchObject({
      status: 1,
      err: expect.stringMatching(/^stint: STEP_NOT_FOUND: /),
    });
  });
});

describe("stint inspect -", () => {
  test("tells whose token it is and what became of its step, and never shows or sends it", async () => {
    const stepId = await openStep("run-inspect");
    const token = await issueToken(stepId);
    await stint(["step", "close", stepId]);
    const found = await operator(["-o", "json", "inspect", "-"], { input: `Bearer ${token}\n` });
    expect(found.status).toBe(0);
    expect(JSON.parse(found.out)).toMatchObject({
      jti: jtiOf(token),
      state: "REVOKED",
      run_id: "run-inspect",
      agent: "researcher",
      step_id: stepId,
      step_state: "COMPLETED",
      step_close_reason: "cessationOfOperation",
      to_be_signed_sha256: createHash("sha256")
        .update(token.slice(0, token.lastIndexOf(".")))
        .digest("hex"),
    });
    const parts = token.split(".");
    for (const part of parts) expect(found.out + found.err + daemon().stderr()).not.toContain(part);
  });

  test("tells whose certificate it is, in PEM and in DER", async () => {
    const stepId = await openStep("run-certificate");
    const { issuanceId, serialNumber, der } = await issueCertificate(stepId);
    const pem = `-----BEGIN CERTIFICATE-----\n${der.toString("base64")}\n-----END CERTIFICATE-----\n`;
    for (const input of [der, pem]) {
      const found = await data(operator(["-o", "json", "inspect", "-"], { input }));
      expect(found).toMatchObject({ issuance_id: issuanceId, kind: "x509-svid", step_id: stepId, state: "LIVE" });
    }
    const revoked = await operator(["revoke", "--serial", serialNumber.toUpperCase()]);
    expect(revoked.err).toMatch(/^stint: closed 0 steps and revoked 1 credential; /);
    const found = await data(operator(["-o", "json", "inspect", "-"], { input: der }));
    expect(found).toMatchObject({ state: "REVOKED", step_state: "OPEN" });
  });

  test("says of a token that it never signed that it never did", async () => {
    const token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl";
    const ran = await operator(["inspect", "-"], { input: token });
    expect(ran).toEqual({
      status: 1,
      out: "",
      err: "stint: STEP_NOT_FOUND: this broker never recorded it, so it never signed it\n",
    });
  });

  test.for([
    {
      what: "no credential",
      input: "hello",
      status: 1,
      err: "stint: standard input holds neither a JWT nor a certificate\n",
    },
    { what: "too much", input: "a".repeat(65_537), status: 2, err: "stint: standard input: at most 65536 bytes\n" },
  ])("refuses $what", async ({ input, status, err }) => {
    expect(await operator(["inspect", "-"], { input })).toEqual({ status, out: "", err });
  });

  test("takes no credential as an argument, and does not repeat it either", async () => {
    const ran = await operator(["inspect", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"]);
    expect(ran.status).toBe(2);
    expect(ran.err).not.toContain("eyJ");
  });
});

describe("stint entry", () => {
  test("creates by flags, shows, changes, disables, enables and deletes", async () => {
    const created = await data(
      operator([
        "-o",
        "json",
        "entry",
        "create",
        "agent/writer",
        "--selector",
        "unix:uid:4242",
        "--ceiling",
        grant,
        "--jwt-svid-ttl",
        "1m",
      ]),
    );
    expect(created).toMatchObject({
      entry: "agent/writer",
      origin: "api",
      revision: 1,
      jwt_svid_ttl: 60,
      ceiling: [tool],
    });

    const changed = await data(
      operator(["-o", "json", "entry", "update", "agent/writer", "--may-open", "--audience", "urn:a"]),
    );
    expect(changed).toMatchObject({
      revision: 2,
      may_open: true,
      audiences: ["urn:a"],
      jwt_svid_ttl: 60,
      ceiling: [tool],
    });
    expect(await data(operator(["-o", "json", "entry", "update", "agent/writer", "--no-may-open"]))).toMatchObject({
      may_open: false,
    });

    expect(await data(operator(["-o", "json", "entry", "disable", "agent/writer"]))).toMatchObject({ disabled: true });
    expect(await data(operator(["-o", "json", "entry", "enable", String(created["entry_id"])]))).toMatchObject({
      disabled: false,
    });
    expect((await operator(["entry", "list"])).out).toMatch(
      /^agent\/writer +spiffe:\/\/example.org\/agent\/writer +enabled +api /m,
    );
    expect(await operator(["entry", "delete", "agent/writer"])).toMatchObject({ status: 0, out: "" });
    expect(await operator(["entry", "show", "agent/writer"])).toMatchObject({
      status: 1,
      err: expect.stringMatching(/^stint: ENTRY_NOT_FOUND: /),
    });
  });

  test("gives what it shows back to itself, and refuses it once another has changed the entry", async () => {
    const file = join(daemon().directory, "entry.json");
    await operator(["entry", "create", "verifier/mcp-9", "--selector", "unix:uid:4243", "--audience", "urn:nine"]);
    const shown = await operator(["-o", "json", "entry", "show", "verifier/mcp-9"]);
    writeFileSync(file, shown.out.replace("urn:nine", "urn:ten"));
    expect(await data(operator(["-o", "json", "entry", "update", "verifier/mcp-9", "--file", file]))).toMatchObject({
      audiences: ["urn:ten"],
      revision: 2,
    });
    const stale = await operator(["entry", "update", "verifier/mcp-9", "--file", file]);
    expect(stale).toMatchObject({ status: 1, err: expect.stringMatching(/^stint: INVALID_FIELD: revision: /) });
    expect(readFileSync(file, "utf8")).toContain("urn:ten");
  });

  test("of the configuration file is not changed", async () => {
    const ran = await operator(["entry", "update", "agent/researcher", "--may-open"]);
    expect(ran).toMatchObject({ status: 1, err: expect.stringContaining("configuration") });
    expect(await data(operator(["-o", "json", "entry", "show", "agent/researcher"]))).toMatchObject({
      may_open: false,
      origin: "config",
    });
  });

  test.for([
    { bad: "no name", args: ["entry", "create"], err: /kind\/name, e\.g\. agent\/researcher, or --file/ },
    { bad: "no such kind", args: ["entry", "create", "robot/x"], err: /kind: expected agent, runtime/ },
    {
      bad: "a flag of another kind",
      args: ["entry", "create", "operator/x", "--role", "admin", "--may-open"],
      err: /may_open: an entry of kind operator has/,
    },
    { bad: "no selectors", args: ["entry", "create", "agent/x"], err: /INVALID_FIELD: selectors: a non-empty list/ },
    { bad: "no file", args: ["entry", "create", "--file", "/nowhere/x.yaml"], err: /--file: can't be read \(ENOENT\)/ },
    { bad: "nothing to change", args: ["entry", "update", "agent/researcher"], err: /nothing to change/ },
    {
      bad: "a ceiling that is no JSON",
      args: ["entry", "create", "agent/x", "--ceiling", "{"],
      err: /--ceiling: JSON, or @/,
    },
  ])("with $bad is a mistake of usage", async ({ args, err }) => {
    const ran = await operator(args);
    expect([ran.status, ran.out]).toEqual([2, ""]);
    expect(ran.err).toMatch(err);
  });
});

describe("stint verifier, ledger, authority", () => {
  test("a registered verifier that is not there is listed as such", async () => {
    expect(await data(operator(["-o", "json", "verifier", "list"]))).toContainEqual(
      expect.objectContaining({ name: "mcp-1", connected: false, audiences: [RESOURCE], max_staleness_seconds: 15 }),
    );
  });

  test("the ledger tells its head, and nothing is wrong with it", async () => {
    expect(await data(operator(["-o", "json", "ledger", "show"]))).toMatchObject({
      epoch: expect.stringMatching(/^epoch_/),
      sequence: expect.any(Number),
      root_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      suspended_because: [],
    });
  });

  test("the clock can be confirmed at any time", async () => {
    expect(await data(operator(["-o", "json", "authority", "confirm-clock"]))).toEqual({
      changed_seconds: expect.any(Number),
    });
  });

  test("a restore is accepted only with a reason", async () => {
    expect((await operator(["ledger", "accept-restore"])).status).toBe(2);
  });
});
