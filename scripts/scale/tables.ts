import { LIMITS } from "../../src/domain/limits.ts";
import { COST_VALUES as C, COSTS } from "./costs.ts";
import { bytes, figure, percent, table } from "./figures.ts";
import {
  brokerDenials,
  credentialsPerStep,
  eventsPerStep,
  INTERNET,
  type Load,
  lifeLeftSeconds,
  stepSeconds,
  verifierDenials,
} from "./load.ts";
import {
  type BoundName,
  bounds,
  brokersFor,
  bus,
  DAY_SECONDS,
  feedShare,
  groups,
  issueMeanMs,
  MICROS,
  sharedLogCeiling,
  stepBytes,
  stepMicros,
  verifier,
} from "./model.ts";
import { BOUNDS, BROKERS, BYTES_OF_STEP, MICROS_OF_STEP, ONE, REPLICAS } from "./question.ts";
import { SAID } from "./said-of-bounds.ts";
import type { Simulated } from "./simulated.ts";

export function loadTable(): string {
  return table([
    ["", "", ""],
    ["steps opened, and closed, a second", figure(INTERNET.stepsPerSecond), "given"],
    ["open steps", figure(INTERNET.openSteps), "given"],
    ["verifiers", figure(INTERNET.verifiers), "given"],
    ["a step is open for", `${figure(stepSeconds(INTERNET))} s`, "open ÷ opened a second"],
    ["life of a JWT-SVID", `${INTERNET.ttlSeconds} s`, "the default; renewed at half of it"],
    ["credentials of a step", figure(credentialsPerStep(INTERNET)), "1 + 1 ÷ (e^(60 s ÷ 100 s) − 1)"],
    [
      "events of a step",
      figure(eventsPerStep(INTERNET)),
      "`decision.made`, `step.opened`, `step.held`, `step.closed`, and one for each credential",
    ],
    ["events a second", figure(INTERNET.stepsPerSecond * eventsPerStep(INTERNET)), ""],
    [
      "what is left of the newest credential when its step ends",
      `${figure(lifeLeftSeconds(INTERNET))} s`,
      "120 s − (100 s − 60 s ÷ (e^0.6 − 1))",
    ],
    [
      "denials in force",
      figure(brokerDenials(INTERNET)),
      "closes a second × (what is left + 10 s of leeway + 60 s until they are swept)",
    ],
  ]);
}

export function costTable(): string {
  return table([
    ["", "", "measured by"],
    ...Object.values(COSTS).map(({ is, value, unit, from }) => [is, `${value.toLocaleString("en-US")} ${unit}`, from]),
  ]);
}

export function oneTable({ broker, bus: stream }: Simulated): string {
  const { actsPerCommit, commitsPerSecond, utilisation } = groups(ONE, C);
  const ofBus = bus(ONE, C);
  const row = (what: string, formula: number, seen: number, form = figure) => [what, form(formula), form(seen)];
  return table([
    ["", "by the formula", "simulated"],
    row("open steps", ONE.openSteps, broker.openSteps),
    row("credentials of a step", credentialsPerStep(ONE), broker.credentialsPerStep),
    row("events of a step", eventsPerStep(ONE), broker.eventsPerStep),
    row("event loop, busy", (ONE.stepsPerSecond * MICROS_OF_STEP.main) / MICROS, broker.mainUtilisation, percent),
    row("ledger's thread, busy", utilisation, broker.ledgerUtilisation, percent),
    row("commits a second, each an fsync", commitsPerSecond, broker.commitsPerSecond),
    row("acts in one commit", actsPerCommit, broker.actsPerCommit),
    row("denials in the broker's list, at most", brokerDenials(ONE), broker.brokerDenials),
    row("denials in a verifier's list, at most", verifierDenials(ONE), broker.verifierDenials),
    row("NATS: messages a second", ofBus.messagesPerSecond, stream.messagesPerSecond),
    row("NATS: seconds until the stream begins anew", ofBus.cycleSeconds, stream.cycleSeconds),
    row("NATS: denials told again for each new one", ofBus.amplification, stream.amplification),
    row("ledger, bytes a second", ONE.stepsPerSecond * BYTES_OF_STEP.rows, broker.ledgerBytesPerSecond, bytes),
    row("a JWT-SVID, from call to answer: mean, ms", issueMeanMs(ONE, C), broker.issueMeanMs),
    ["the same: p99, ms", "", figure(broker.issueP99Ms)],
  ]);
}

export function boundsTable(): string {
  const sorted = (Object.entries(BOUNDS) as [BoundName, number][]).sort(([, one], [, other]) => one - other);
  return table([
    ["steps a second", "what is so from there on", "what shows it", "what to do"],
    ...sorted.map(([name, rate]) => {
      const { what, shows, remedy } = SAID[name];
      return [figure(rate), what, shows, remedy];
    }),
  ]);
}

export function siteTable(): string {
  const each = (value: number, form = figure) => [form(value), form(value * BROKERS)];
  const { commitsPerSecond } = groups(ONE, C);
  return table([
    ["", "one", `all ${BROKERS}`],
    ["steps opened and closed a second", ...each(ONE.stepsPerSecond)],
    ["open steps", ...each(ONE.openSteps)],
    ["events a second", ...each(ONE.stepsPerSecond * eventsPerStep(ONE))],
    ["fsyncs a second", ...each(commitsPerSecond)],
    ["cores that are busy", ...each((ONE.stepsPerSecond * MICROS_OF_STEP.all) / MICROS)],
    ["memory of open steps and streams", ...each(ONE.openSteps * (C.openStep + C.holdStream), bytes)],
    ["memory of the deny-list", ...each(brokerDenials(ONE) * (C.brokerDenial + C.brokerPage), bytes)],
    ["ledger, a day", ...each(ONE.stepsPerSecond * DAY_SECONDS * BYTES_OF_STEP.rows, bytes)],
    ["written to disks, a second", ...each(ONE.stepsPerSecond * BYTES_OF_STEP.written, bytes)],
  ]);
}

export function replicasTable({ replicas }: Simulated): string {
  return table([
    ["replicas of one log", "what the log records, steps a second", "simulated", "what their event loops bear"],
    ...REPLICAS.map((count, at) => [
      String(count),
      figure(sharedLogCeiling(INTERNET, C, count)),
      figure(replicas[at] ?? Number.NaN),
      figure(count * BOUNDS.eventLoop),
    ]),
  ]);
}

export function verifiersTable(): string {
  const all = verifier(INTERNET, C);
  const one = verifier(ONE, C);
  const rows = (
    title: string,
    { denials, bytes: memory, busBytesPerSecond, busCpu, lists, listBytesPerSecond }: typeof all,
  ) => [
    [`**${title}**`, "", ""],
    ["received a second", bytes(busBytesPerSecond), bytes(listBytesPerSecond)],
    [
      `the same of ${figure(INTERNET.verifiers)} of them`,
      bytes(busBytesPerSecond * INTERNET.verifiers),
      bytes(listBytesPerSecond * INTERNET.verifiers),
    ],
    ["memory", `${bytes(memory)}, ${figure(denials)} denials`, `${bytes(lists * 16_384)}, ${lists} lists`],
    ["CPU, of one core", percent(busCpu), "a signature for each list, every 5 s"],
  ];
  return table([
    ["a verifier", "on NATS", "by status lists"],
    ["hears of an end after", "milliseconds", "5 to 6 s"],
    ...rows("of all logs", all),
    ...rows(`of one log of ${BROKERS}`, one),
  ]);
}

export function ttlTable(): string {
  const rows = [30, 60, 120, 300, 900, 3_600].map((ttlSeconds) => {
    const load: Load = { ...INTERNET, ttlSeconds };
    const micros = stepMicros(load, C);
    return [
      `${ttlSeconds} s`,
      figure(credentialsPerStep(load)),
      figure(bounds(load, C).eventLoop),
      String(brokersFor(load, C)),
      figure(brokerDenials(load)),
      bytes(verifierDenials(load) * C.verifierDenial),
      bytes(stepBytes(load, C).rows),
      figure((INTERNET.stepsPerSecond * micros.all) / MICROS),
    ];
  });
  return table([
    [
      "tokens live",
      "credentials of a step",
      "steps a second at one broker",
      "brokers",
      "denials in force, all",
      "a verifier's memory, all",
      "ledger, a step",
      "cores, all",
    ],
    ...rows,
  ]);
}

export function feedTable(): string {
  const SERVICES = 1_000;
  const watchers = [1_000, 5_000, LIMITS.watchersMax];
  return table([
    [
      "verifiers on the feed of one broker",
      "event loop, if each is told of one end in a thousand",
      "event loop, if each is told of all",
    ],
    ...watchers.map((count) => [
      figure(count),
      percent(feedShare(ONE, C, count, 1 / SERVICES)),
      percent(feedShare(ONE, C, count, 1)),
    ]),
  ]);
}
