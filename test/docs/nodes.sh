# Commands of the guide to nodes; run by nodes-example.test.ts.
set -eu

# region admit
stint join-token create build-7 > join-token
stint federation bundles | jq '.trust_domains["example.org"]' > bundle.json
# endregion

