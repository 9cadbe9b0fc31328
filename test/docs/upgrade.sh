# Commands of the documentation; run part by part by test/upgrade/way-back.test.ts.
set -eu

case "$part" in
  before)
# region before
stint ledger verify                            # with the version that runs
stint ledger backup "$backup/before-upgrade"   # the way back
# endregion
    ;;
  validate)
# region validate
stintd validate --config "$config"             # with the new version, as the daemon's user
# endregion
    ;;
  after)
# region after
stint status
stint ledger verify
# endregion
    ;;
  back)
# region back
mv "$data" "$data.newer"                       # evidence: keep it
install -d -m 0700 "$data" "$data/ledger"      # as the daemon's user
install -m 0600 "$backup/before-upgrade/ledger.db" "$data/ledger/ledger.db"
cp -a "$data.newer"/principals* "$data/"       # salt and keys of principals, without which nobody can tell who they were
# endregion
    ;;
  accept)
# region accept
stint ledger accept-restore --reason "back to the version before; backup of before the upgrade"
# endregion
    ;;
esac
