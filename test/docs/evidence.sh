# Commands of the documentation; run by evidence-example.test.ts in a directory of its own.
set -eu

# region report
stint report --framework owasp-agentic --since 30d --out agents.html        # for people: one static file
stint report --framework eu-ai-act --since 7d --format json --out act.json  # for programs
stint report --framework nist-csf --format pdf --out csf.pdf                # for paper
# endregion

# region check
stint ledger key > ledger.key                                               # the operator, once, by a way that the auditor trusts
stint ledger check agents.html --key "$(cat ledger.key)"                    # the auditor: no broker, no configuration
# endregion

# region again
command=$(grep -o 'stint history decisions --outcome deny --group-by reason[^"]*' act.json | head -1)
eval "$command"                                                             # as it stands beside the figure
# endregion
