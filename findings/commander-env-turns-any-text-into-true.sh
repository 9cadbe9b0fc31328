#!/usr/bin/env bash
# Commander gives an option an environment variable with `Option.env`. For an option without a value it only looks whether the
# variable is there: `false`, `0`, `no` and an empty text all turn the option on, and `FORCE=false` forces. For an option with a value
# an empty variable is a value, and wins over the default. And an option that starts with `--no-` is turned "on", which is off, by any
# text too. So whoever lets variables stand for flags has to read the text of the variable: Commander emits `optionEnv:<name>` for each
# option, and a listener of one's own can take the place of Commander's.
#
# Seen: commander 15.1.0 (npm, Node.js 24). Its Readme shows an option with a value alone.
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

npm init -y > /dev/null
npm install --silent --ignore-scripts commander@15.1.0
cat > seen.mjs <<'JS'
import { Command, Option } from "commander";

function parsed(option, variable, text) {
  if (text === undefined) delete process.env[variable];
  else process.env[variable] = text;
  const program = new Command().addOption(option.env(variable));
  return JSON.stringify(program.parse([], { from: "user" }).opts());
}

for (const text of [undefined, "true", "false", "0", ""]) {
  const shown = text === undefined ? "absent" : JSON.stringify(text);
  console.log(`--force, FORCE=${shown}: ${parsed(new Option("--force"), "FORCE", text)}`);
}
console.log(`--no-cache, NO_CACHE="false": ${parsed(new Option("--no-cache"), "NO_CACHE", "false")}`);
console.log(`--level <level>, LEVEL="": ${parsed(new Option("--level <level>").default("info"), "LEVEL", "")}`);
JS

node seen.mjs | tee seen.txt
diff seen.txt - <<'SEEN'
--force, FORCE=absent: {}
--force, FORCE="true": {"force":true}
--force, FORCE="false": {"force":true}
--force, FORCE="0": {"force":true}
--force, FORCE="": {"force":true}
--no-cache, NO_CACHE="false": {"cache":false}
--level <level>, LEVEL="": {"level":""}
SEEN
