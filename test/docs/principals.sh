# Commands of the documentation; run by principals-example.test.ts at a broker with a login, with `$login` and a token in a file.
set -eu

# region run
stint step run --run nightly --step report --agent researcher --principal-token-file ./token -- \
  sh -c 'echo "the report of $STINT_RUN_ID"'
# endregion

# region offboard
stint principal list                                  # whom steps named, who is barred, and how many of their steps are open
stint principal offboard "$login" ada --dry-run
stint principal offboard "$login" ada                 # ends their steps with all they hold, and refuses new ones
stint principal offboard "$login" eve --bar           # somebody whom no step named yet
stint principal readmit "$login" ada                  # steps may be opened for them again
# endregion

# region erase
stint principal erase "$login" ada                    # ends their steps, and deletes the key of what is known of them
# endregion
