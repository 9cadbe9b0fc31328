# Commands of the documentation; run by examples.test.ts at a broker where `$token` is of the step `search` of run `report-7`.
set -eu

# region look
stint status                                          # ready or why not; keys, verifiers, disk; exit 1 when not ready
stint step list --state open                          # who holds something now
stint step show report-7/search                       # one step, and which verifiers have applied its end
stint step show --tree report-7/search                # who delegated to whom, across runtimes, also when it is over
stint history issuances --run report-7 --live         # every credential; --live: neither expired nor revoked
stint history decisions --effect deny --since 15m     # what was refused, and by what
stint history usage --run report-7                    # calls of tools, as the servers that report them have counted
stint history events --output jsonl                   # the ledger itself; --follow goes on
stint verifier list                                   # who follows the feed, and how far behind
stint tool list --state changed                       # tools that are not as they are pinned, and so are refused
# endregion

# region find
stint history issuances --tool search --not-agent reader --live-at 15m   # what could call it a quarter of an hour ago, one agent's aside
stint history decisions --effect deny --group-by reason --top 5          # how many of each, the largest first
stint history issuances --how-long usable                                # how long credentials could be presented: least, mean and most, in seconds
stint history steps --spiffe-id spiffe://example.org/agent/researcher --count
stint history grant-use --by-agent --since 7d                            # what agents were granted, beside what they were reported to have used
# endregion

# region descendants
stint descendants --run report-7                                         # steps, credentials, other secrets; what they could reach and did use
stint descendants --run report-7 --revoke --dry-run                      # the same, and what would end
stint descendants --entry runtime/flow --since 1d -o jsonl               # one line for each, the summary last
# endregion

# region leaked
printf %s "$token" | stint inspect -                  # whose is it? Digested here; never sent, never shown
# endregion

# region risk
stint risk set --scope agent:reader --level elevated --ttl 2h --reason "calls that it never made before"
stint risk set --scope run:report-7 --level high --reason "prompt injection in its source"
stint risk list                                       # what is above low, and until when
stint risk clear --scope agent:reader
stint risk clear --scope run:report-7
# endregion

# region revoke
stint revoke --run report-7 --reason keyCompromise --dry-run
stint revoke --run report-7 --reason keyCompromise    # closes its steps; no new one is opened in this run
# endregion

# region entries
stint entry create verifier/archive --selector unix:user:archive --audience https://archive.example.org/mcp
stint entry list
stint entry disable agent/reader                      # closes its steps, bars new ones; a restart does not lift it
stint entry enable agent/reader
stint entry delete verifier/archive
# endregion

# region ledger
stint ledger show
# endregion
