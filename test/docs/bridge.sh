# An MCP client that nobody changes, as a step; run by bridge-example.test.ts.
# region run
stint bridge --run report-7 --step review --agent researcher --grant @grant.json --mcp-config mcp.json -- \
  claude -p 'What do we have on tides?' --strict-mcp-config --mcp-config {config}
# endregion

# region server
stint bridge --run report-7 --step look-up --agent researcher --grant @grant.json \
  --server library="$library" -- agent --config {config}
# endregion

# region step-run
stint step run --run report-7 --step nightly --agent researcher --grant @grant.json -- \
  stint bridge --mcp-config mcp.json -- agent --config {config}
# endregion
