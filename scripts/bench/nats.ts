// When verifiers on NATS refuse after a close, a hundred of them and then many, and what a close costs the broker: `make bench-nats`.
import { parseArgs } from "node:util";
import { machineName } from "./machine.ts";
import { natsBench } from "./measure-nats.ts";
import { formatShare, print, printRow } from "./table.ts";

const { values } = parseArgs({
  options: { verifiers: { type: "string", default: "100000" }, closes: { type: "string", default: "40" } },
});
const FEW = 100;
const WARM_UP_CLOSES = 10;
const closes = Number(values.closes);
const widths = { first: 22, cell: 12 };

print(`${machineName()}\n`);
await using bench = await natsBench();
printRow(
  "Close, told on NATS",
  ["answer ms", "p50 ms", "p99 ms", "max ms", "broker ms", "idle", "nats-server", "verifiers", "heard", "gaps"],
  widths,
);
// What is done first is compiled meanwhile.
await bench.measure(FEW, WARM_UP_CLOSES);
const costs: number[] = [];
// The few again at the end, for what is not the many's doing.
for (const verifiers of [FEW, Number(values.verifiers), FEW]) {
  const row = await bench.measure(verifiers, closes);
  costs.push(row.brokerMsPerClose);
  printRow(
    `${verifiers} verifiers`,
    [
      ...[row.returnedP50Ms, row.refusedP50Ms, row.refusedP99Ms, row.refusedMaxMs].map((ms) => ms.toFixed(1)),
      row.brokerMsPerClose.toFixed(2),
      ...[row.brokerIdleShare, row.serverShare, row.listenersShare, row.heardShare].map(formatShare),
      String(row.gaps),
    ],
    widths,
  );
}
const [before = 0, many = 0, after = 0] = costs;
print(`\nA close costs the broker ${((2 * many) / (before + after)).toFixed(2)} × of what it does with ${FEW}`);
