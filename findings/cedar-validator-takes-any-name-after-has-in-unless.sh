#!/usr/bin/env bash
# Cedar's strict validator knows all attributes that a request's context can have, and refuses `context.tiket` where the
# schema says `ticket`. After `has` it takes any name for an attribute that is missing: no error, and a warning ("policy is
# impossible") only where the whole policy becomes false by it. Under `unless`, or beside an `||`, there is not even a warning: the
# policy is valid, and the exception that it was written for never holds. So a tool that refuses errors and warnings still
# takes a permit that permits without its condition; it has to look for names after `has` by itself (`policyToJson`).
#
# Seen: @cedar-policy/cedar-wasm 4.13.0 (npm), Node.js 20 and 24.
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

npm init --yes > /dev/null
npm install --silent --ignore-scripts --save-exact @cedar-policy/cedar-wasm@4.13.0 > /dev/null

cat > seen.cjs <<'JS'
const { validate } = require("@cedar-policy/cedar-wasm/nodejs");
const schema = `entity User; entity Doc;
action read appliesTo { principal: User, resource: Doc, context: { ticket?: String, night: Bool } };`;
const say = (what, clause) => {
  const { validationErrors, validationWarnings } = validate({
    schema,
    validationSettings: { mode: "strict" },
    policies: { staticPolicies: `forbid (principal, action, resource) ${clause};` },
  });
  console.log(`${what}: ${validationErrors.length} errors, ${validationWarnings.length} warnings`);
};
say("read", "when { context.tiket == \"7\" }");
say("when has", "when { context has tiket }");
say("when has or", "when { context has tiket || context.night }");
say("unless has", "unless { context has tiket }");
say("unless has and read", "unless { context has tiket && context.tiket == \"7\" }");
say("right name", "unless { context has ticket && context.ticket == \"7\" }");
JS
node seen.cjs | tee seen.txt
diff seen.txt - <<'SEEN'
read: 1 errors, 0 warnings
when has: 0 errors, 1 warnings
when has or: 0 errors, 0 warnings
unless has: 0 errors, 0 warnings
unless has and read: 0 errors, 0 warnings
right name: 0 errors, 0 warnings
SEEN
