#!/usr/bin/env bash
# A program that reads its step's tokens in Bash; run by stdio-example.test.ts.
set -euo pipefail

# region read
declare -A tokens

# Puts the newest token for an audience into `token`. What has come since is taken in first: lines wait in their order.
take_token() {
  local line
  while [[ -z ${tokens[$1]-} ]] || read -r -t 0 -u "$STINT_CREDENTIAL_FD"; do
    IFS= read -r -u "$STINT_CREDENTIAL_FD" line || return # the step has ended
    [[ $line =~ \"audience\":\"([^\"]+)\",\"token\":\"([^\"]+)\" ]] && tokens[${BASH_REMATCH[1]}]=${BASH_REMATCH[2]}
  done
  token=${tokens[$1]}
}

take_token "$RESOURCE"
# By standard input: everybody sees the arguments of a command.
printf 'Authorization: Bearer %s\n' "$token" | curl --silent --show-error --header @- "$RESOURCE"
# endregion
