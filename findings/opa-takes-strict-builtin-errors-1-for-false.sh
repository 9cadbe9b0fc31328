#!/usr/bin/env bash
# OPA's Data API evaluates a built-in function that fails as undefined: a rule that hangs on it does not hold, a `default` takes its
# place, and neither answer nor decision log says so. `?strict-builtin-errors=true` makes it a 500. But only `true` in any
# case, or no value at all, counts as true: `=1`, `=yes` and `=on` are taken for false, with status 200 and no warning. So a client that
# writes its booleans in another way believes that it is strict, and an error in a rule that forbids becomes an allow.
#
# Seen: OPA 1.22.4 (Go module proxy, Go 1.26). OPA REST API, "Get a Document (with Input)".
set -euo pipefail
cd "$(mktemp -d)"
trap 'kill "${server:-}" 2> /dev/null || true; rm -rf "$PWD"' EXIT

go mod init seen.example/opa 2> /dev/null
go get -tool github.com/open-policy-agent/opa@v1.22.4 2> /dev/null
go build -o opa github.com/open-policy-agent/opa

cat > policy.rego <<'REGO'
package seen

forbidden if to_number(input.amount) > 1000

default answer := "allow"

answer := "deny" if forbidden
REGO

./opa run --server --addr unix://opa.sock --skip-version-check --log-level error policy.rego 2> /dev/null &
server=$!
until [ -S opa.sock ]; do sleep 0.1; done

ask() {
  curl --silent --unix-socket opa.sock "http://opa/v1/data/seen/answer$1" --data '{"input": {"amount": "1,500"}}' |
    node -e 'const a = JSON.parse(require("fs").readFileSync(0)); console.log(a.result ?? a.errors[0].code)'
}
{
  for query in "" "?strict-builtin-errors=1" "?strict-builtin-errors=yes" "?strict-builtin-errors=on" \
    "?strict-builtin-errors" "?strict-builtin-errors=TRUE" "?strict-builtin-errors=true"; do
    echo "${query:-nothing}: $(ask "$query")"
  done
} | tee seen.txt
diff seen.txt - <<'SEEN'
nothing: allow
?strict-builtin-errors=1: allow
?strict-builtin-errors=yes: allow
?strict-builtin-errors=on: allow
?strict-builtin-errors: eval_builtin_error
?strict-builtin-errors=TRUE: eval_builtin_error
?strict-builtin-errors=true: eval_builtin_error
SEEN
