#!/usr/bin/env bash
# Cedar's `datetime` takes ISO 8601 in four forms only: no fraction or one of exactly three digits, and as offset `Z` or `+hhmm`
# without a colon. So what JavaScript's `toISOString` writes is a datetime, and what the RFC 3339 writers of Python, Go, `date` and
# protobuf's JSON write is none as soon as there are microseconds, or an offset that is not `Z`. RFC 3339 itself has no offset without a
# colon, so that a time with an offset is never both. In a policy's text the validator says so; as a value of the context or
# of an entity it is an error of that one request, which answers no allow and no deny.
#
# Seen: @cedar-policy/cedar-wasm 4.13.0 (npm), Node.js 20 and 24. RFC 3339 section 5.6.
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

npm init --yes > /dev/null
npm install --silent --ignore-scripts --save-exact @cedar-policy/cedar-wasm@4.13.0 > /dev/null

cat > seen.cjs <<'JS'
const { isAuthorized, validate } = require("@cedar-policy/cedar-wasm/nodejs");
const schema = `entity User; entity Doc;
action read appliesTo { principal: User, resource: Doc, context: { at: datetime } };`;
const inText = (time) =>
  validate({
    schema,
    validationSettings: { mode: "strict" },
    policies: { staticPolicies: `permit (principal, action, resource) when { context.at > datetime("${time}") };` },
  }).validationErrors.length === 0;
const inContext = (time) =>
  isAuthorized({
    principal: { type: "User", id: "u" },
    action: { type: "Action", id: "read" },
    resource: { type: "Doc", id: "d" },
    context: { at: { __extn: { fn: "datetime", arg: time } } },
    policies: { staticPolicies: "permit (principal, action, resource);" },
    entities: [],
  });
for (const [writer, time] of [
  ["JavaScript toISOString", "2026-11-28T12:00:00.250Z"],
  ["whole seconds, UTC", "2026-11-28T12:00:00Z"],
  ["Python isoformat, UTC", "2026-11-28T12:00:00+00:00"],
  ["Go RFC3339Nano, 250 ms", "2026-11-28T12:00:00.25Z"],
  ["protobuf JSON, microseconds", "2026-11-28T12:00:00.000250Z"],
  ["date --rfc-3339, CET", "2026-11-28T13:00:00+01:00"],
  ["no RFC 3339", "2026-11-28T13:00:00+0100"],
]) {
  const answer = inContext(time);
  console.log(`${writer}: ${inText(time) ? "text" : "-"} ${answer.type === "success" ? answer.response.decision : answer.type}`);
}
JS
node seen.cjs | tee seen.txt
diff seen.txt - <<'SEEN'
JavaScript toISOString: text allow
whole seconds, UTC: text allow
Python isoformat, UTC: - failure
Go RFC3339Nano, 250 ms: - failure
protobuf JSON, microseconds: - failure
date --rfc-3339, CET: - failure
no RFC 3339: text allow
SEEN
