import { LIMITS } from "../../src/domain/limits.ts";
import { COST_VALUES as C, FRONT_END_SHARE, PRUNED_SHARE } from "./costs.ts";
import { bytes, figure, percent } from "./figures.ts";
import { brokerDenials, credentialsPerStep, eventsPerStep, INTERNET, lifeLeftSeconds, stepSeconds } from "./load.ts";
import {
  bus,
  DAY_SECONDS,
  gatheredBus,
  listsPayFrom,
  MICROS,
  SIGNED_PER_GROUP_MAX,
  sharedLogCeiling,
  stepsPerGroupMax,
  UTILISATION_MAX,
  verifier,
} from "./model.ts";
import { BOUNDS, BROKERS, BYTES_OF_STEP, MICROS_OF_STEP, ONE } from "./question.ts";
import type { Simulated } from "./simulated.ts";
import {
  boundsTable,
  costTable,
  feedTable,
  loadTable,
  oneTable,
  replicasTable,
  siteTable,
  ttlTable,
  verifiersTable,
} from "./tables.ts";

/** Of the second next step. */
const GATHERING_SECONDS = 0.05;

/** docs/scale.md, from the costs, the formulas and what was simulated. */
export function scalePage(seen: Simulated): string {
  const rowsADay = INTERNET.stepsPerSecond * DAY_SECONDS * BYTES_OF_STEP.rows;
  const oneADay = ONE.stepsPerSecond * DAY_SECONDS * BYTES_OF_STEP.rows;
  const bare = (UTILISATION_MAX * MICROS) / C.mainOpenClose;
  const all = verifier(INTERNET, C);
  const ofBus = bus(ONE, C);
  const gathered = gatheredBus(ONE, GATHERING_SECONDS);
  return `# Scale

Will Stint hold at our size, and what breaks first? This page answers for ${figure(INTERNET.openSteps)} open steps, ${figure(INTERNET.stepsPerSecond)} steps opened and closed a second, and
${figure(INTERNET.verifiers)} verifiers. It is a model: costs that were measured, formulas, and a simulation that checks the formulas. Nobody has run Stint at this size. The page is made from
the model (\`make scale\`), and a test says when the page is not what the model says.

**In short.**

- One broker with a log of its own holds about **${figure(BOUNDS.eventLoop)} steps a second** that are opened, held, renewed and closed, with ${figure(BOUNDS.eventLoop * stepSeconds(INTERNET))} of them open; ${figure(bare)} a second if they
  are only opened and closed. Its event loop is what bounds it.
- **One log does not hold ${figure(INTERNET.stepsPerSecond)} steps a second**, however many replicas share it: it records ${figure(sharedLogCeiling(INTERNET, C, 1))} at most, and each replica more makes that less, not more. What divides the load is
  logs: **${BROKERS} trust domains**, some ${figure((INTERNET.stepsPerSecond * MICROS_OF_STEP.all) / MICROS)} busy cores.
- Within days the disk is what breaks first: **${bytes(rowsADay)} of ledger a day**, ${bytes(oneADay)} for each broker. Pruning gives half of that back, and nothing gives back the rest.
- A verifier that hears all of it on NATS takes ${bytes(all.busBytesPerSecond)} a second and ${bytes(all.bytes)} of memory. By status lists it takes ${bytes(all.listBytesPerSecond)} a second, and hears 5 s later. Lists
  are fewer bytes from ${figure(listsPayFrom(C))} ends a second on.

## The load

${loadTable()}

Steps are taken to end at random (their lengths are exponential); a step whose length is fixed has as many credentials within one. A step that asks for no token after the first has one
credential, and costs less.

## What things cost

Two cores of a virtual machine that generates the load too. The figures of [performance](performance.md) and those of \`make bench-scale\` are of different machines of this class, and of hours in which others worked there: so \`make bench-scale\` checks a P-256 signature
beside each of its rows, and what it says of CPU is put here by that unit, which is 67 µs there; what the ledger's thread and a replica do for an act, by what recording the step takes in the same run. Bytes are as they are. In such an hour, at 1.24 × the signature, the rows of JWT-SVIDs
and of Open and Close cost 1.2 and 1.4 × what they cost there. Believe sums to a third, and ratios more.

${costTable()}

## One broker

One of ${BROKERS} brokers that share the load: ${figure(ONE.stepsPerSecond)} steps a second. A step costs the event loop ${figure(MICROS_OF_STEP.main)} µs (Open and Close ${C.mainOpenClose}, Hold ${C.mainHold}, ${figure(credentialsPerStep(INTERNET) - 1)} renewals of ${C.mainIssue}), the ledger's thread ${figure(MICROS_OF_STEP.ledger)} µs and one fsync for
each group, and all threads together ${figure(MICROS_OF_STEP.all)} µs.

${oneTable(seen)}

The ledger's thread commits what has gathered while it committed the last: the busier it is, the more share an fsync, so its share of time rises slowly, and an fsync that is ten times as long makes groups larger and calls later, and
does not lower what is held by much. The event loop has no such relief.

## What breaks first

For one broker and its log, steps a second, with everything else as in the load: open steps and denials grow with the rate.

${boundsTable()}

Bounds that are settings come before all of these, and are there to be raised: \`limits.open_steps\` (${figure(LIMITS.openStepsPerRuntimeDefault)} for a runtime), \`limits.connections_per_uid\` (${LIMITS.connectionsPerUidMax}), \`limits.watchers\` (${figure(LIMITS.watchersMax)}),
\`executor_open_steps_max\` of an agent's entry (${LIMITS.openStepsPerExecutorDefault}).

And over time, whatever the rate:

| after | what | what shows it | what to do |
|---|---|---|---|
| a terabyte: ${figure((1e12 / oneADay) * 24)} hours at full load | the disk is full; issuing stops, closing goes on from the reserve | \`StintDiskFillsUp\`, \`StintDiskLow\`, \`stint_ledger_bytes\` | [retention](guides/operator.md#how-long-the-log-says-it) halves what stays (${percent(PRUNED_SHARE)} of it does); a new trust domain for each quarter, and the old one's data directory archived |
| ten million events: ${figure(10_000_000 / (ONE.stepsPerSecond * eventsPerStep(ONE)) / 3_600)} hours | openings cost a tenth more ([measured](performance.md#a-large-ledger)), a start 0.15 s more; of eight billion the tree's root is ${figure(C.treeRoot)} µs a commit at most, beyond that nothing was measured | \`stint_ledger_sequence\` | nothing |

## The whole site

${siteTable()}

## What divides it

**Trust domains.** Each has its own log, keys, runtimes and verifiers; nothing is shared, so ${BROKERS} of them hold ${BROKERS} times as much. What it costs is that a run is in one of them: a step is delegated within its trust domain, a person's steps are
ended in each, and [federation](guides/federation.md) carries identities and no revocations: what ends at a foreign broker is not on one's own feed. So a server that serves several trust domains has an address, a guard and a verifier for each.
Divide by tenant or by team, so that a run and its servers are in one.

**Replicas** ([guide](guides/replicas.md)) divide callers, TLS, attestation, HTTP/2 and policies; they do not divide recording, for each writes everything of the others into its own tables, and while all have more to record than they get to, each does so
within its turn of the one lock. A turn takes ${figure(C.sharedTurn)} ms for a group of ${figure(stepsPerGroupMax(INTERNET))} steps, recording ${figure(MICROS_OF_STEP.ledger)} µs a step, taking over ${figure(MICROS_OF_STEP.apply)} µs a step of each other replica:

${replicasTable(seen)}

Measured on two cores, two replicas issued 0.76 and 0.82 of what one did ([PostgreSQL](performance.md#postgresql)); for that load the formula says ${figure(issuingRatioOfTwo())}. Each replica keeps all tables on a disk of its own, and the log in PostgreSQL is ${bytes(C.sharedStep)} a step beside that. So replicas are for a machine that dies; two of them bear
${figure(Math.min(2 * BOUNDS.eventLoop, sharedLogCeiling(INTERNET, C, 2)))} steps a second where one bears ${figure(BOUNDS.eventLoop)}, and three bear ${figure(Math.min(3 * BOUNDS.eventLoop, sharedLogCeiling(INTERNET, C, 3)))}.

**\`workers\`** take what is issued to open steps off the event loop: ${figure(credentialsPerStep(INTERNET) - 1)} of ${figure(3 + credentialsPerStep(INTERNET) - 1)} calls here, at ${figure(FRONT_END_SHARE)} of the cost that stays. A broker then holds ${figure((UTILISATION_MAX * MICROS) / (MICROS_OF_STEP.main - (1 - FRONT_END_SHARE) * (credentialsPerStep(INTERNET) - 1) * C.mainIssue))} steps a second in place of ${figure(BOUNDS.eventLoop)}, with a quarter more CPU for
these calls. Opening, holding and closing stay where they are.

## How long tokens live

Short-lived tokens make the deny-list short and the rest dear; the other way round too.

${ttlTable()}

With tokens of an hour it is the stream on NATS that bounds a broker; without NATS as many brokers do as with tokens of a quarter of an hour.

## A hundred thousand verifiers

**By the feed** a verifier is told of what may be presented at its audiences, and pings each second, which its broker's event loop answers:

${feedTable()}

Steps do not have that share of the event loop then. So a broker that is busy with steps has room for a thousand verifiers or two on its feed, and ten thousand are for one that is not.

**On NATS** the broker's part does not depend on how many listen, but each listener hears all that ends. **A status list** says of 131,072 tokens in ${bytes(C.statusList)} which ended; a verifier fetches those whose tokens it sees, every five seconds, and a cache or
CDN answers.

${verifiersTable()}

Of all ${figure(INTERNET.verifiers)}, on NATS, the network and the verifiers' CPU (${figure(all.busCpu * INTERNET.verifiers)} cores for nothing but deny-lists) break long before the brokers do. With a trust domain for each team it is the second half of the table. A call is looked up in ${figure(C.verifierFind)} µs at full length. What a list cannot do is
in the [guide](guides/revocation.md): X.509-SVIDs, calls that end within milliseconds. A CRL has ${C.crlEntry} bytes for each X.509-SVID that ended and lives: with one of 300 s for each step, ${bytes(INTERNET.stepsPerSecond * lifeLeftSeconds({ ...INTERNET, ttlSeconds: LIMITS.x509SvidTtlSecondsDefault }) * C.crlEntry)} each minute, for each who asks.

The stream on NATS begins anew after a thousand messages, however long the deny-list is: at ${figure(ONE.stepsPerSecond)} steps a second every ${figure(ofBus.cycleSeconds)} s, so that each denial is written there ${figure(ofBus.amplification)} times, ${bytes(ONE.stepsPerSecond * ofBus.amplification * C.busDenial)} a second. Listeners are not sent that;
whoever begins is.

## Starting again

A broker with ${figure(ONE.openSteps)} open steps that restarts takes them up (${figure((ONE.openSteps * C.openStepTake) / MICROS)} s of CPU), reads its deny-list when the first verifier comes (${figure((brokerDenials(ONE) * C.readDenial) / MICROS)} s), and then everybody comes at once: holds, which take ${figure((ONE.openSteps * C.mainHold) / MICROS)} s of
the ${LIMITS.holdGraceAfterRestartMs / 1_000} s that held steps have, and verifiers on its feed, ${figure(C.mainJoin / 1_000)} ms each and more the longer the deny-list is. What is opened meanwhile waits among them. It is the reason to stay below what the event loop would bear.

## What would be next

What the model asks for first comes first: the disk, the event loop, NATS, the log.

1. **Rows that go**: what is pruned of the log goes from the tables into exports ([guide](guides/exports.md)), with what answers "what was this run issued" kept there.
2. **One stream that holds many steps**, of one runtime: a hold is a call of ${C.mainHold} µs and a stream for each step, which is most of what a restart takes, and of an open step's memory.
3. **Openings in front ends**, which is the rest of the event loop's work; it wants holds and policies there, and was left ([ADR 36](adr/0036-front-ends-hold-no-key-and-record-nothing.md)).
4. **What ends gathers for some ${figure(GATHERING_SECONDS * 1_000)} ms before it is told on NATS**, where much ends: the stream begins anew every ${figure(gathered.cycleSeconds)} s in place of ${figure(ofBus.cycleSeconds)}, each denial is written there ${figure(gathered.amplification)} times in place of ${figure(ofBus.amplification)}, and a verifier
   checks ${figure(1 / GATHERING_SECONDS)} signatures a second in place of ${figure(ofBus.messagesPerSecond)}. That the stream grows on as long as its deny-list is would do the first two alone, and whoever begins would have more messages to read.
5. **Subjects by audience on NATS**, so that a verifier hears what concerns it: of a thousand services a thousandth. [ADR 49](adr/0049-the-deny-list-over-nats-is-signed-and-chained.md) left it out for what it costs, a chain and a heartbeat for each subject; from some hundred
   ends a second on it is worth that.
6. **A replica takes over before it has the lock**, and goes on while it waits for it: then replicas of one log record ${figure(MICROS / ((C.sharedTurn * 1_000) / stepsPerGroupMax(INTERNET) + MICROS_OF_STEP.ledger + MICROS_OF_STEP.apply))} steps a second together, however many they are, and do not get slower with each.

## How it is checked

\`scripts/scale\` has the costs, the formulas and three simulations on virtual time: a broker as a network of queues (event loop, group commit, renewals, closes, both ends of the deny-list), replicas of one log, and the stream on NATS. The group queue, the
deny-lists and the stream are the broker's own code; what is simulated is who calls when, and how long each thing takes. \`test/scale/model.test.ts\` holds formulas and simulations to each other under other loads as well: tokens of
half a minute and of ten, steps of ten seconds, a disk that is ten times as slow; \`test/scale/shared-log.test.ts\` sees three real replicas take over within their turns.

\`\`\`sh
make bench-scale                              # the costs that no load on a daemon shows, by the broker's code at full population
make scale                                    # this page
\`\`\`

What the model leaves out: collections of garbage beyond what the measured costs have in them (the last, undivided part of a collection takes 40 ms with a heap of some hundred megabytes, and longer with more), policies that look at much, delegation (a child costs what a step costs), several processes of an agent, X.509-SVIDs,
exchanges, receipts that a close waits for, and everything that comes in bursts: a queue at ${percent(UTILISATION_MAX)} stands a burst of twice the load for seconds, not for minutes.
`;
}

/** What two replicas issue of JWT-SVIDs next to one, by the same formula. */
function issuingRatioOfTwo(): number {
  const turnMicros = (C.sharedTurn * 1_000) / SIGNED_PER_GROUP_MAX;
  return (turnMicros + C.ledgerIssue) / (turnMicros + C.ledgerIssue + C.applyIssue);
}
