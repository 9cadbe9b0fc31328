# Commands of the documentation; run part by part by backup-example.test.ts.
set -eu

case "$part" in
  backup)
# region backup
stint ledger backup "$backup/monday"                  # ledger.db and backup.json, in a new directory
stint ledger backup - | gzip > "$backup/monday.db.gz" # the copy alone
# endregion
    ;;
  restore)
# region restore
install -d -m 0700 "$data" "$data/ledger"             # as the daemon's user
install -m 0600 "$backup/monday/ledger.db" "$data/ledger/ledger.db"
# endregion
    ;;
  accept)
# region accept
stint ledger accept-restore --reason "the disk was lost; backup of Monday"
# endregion
    ;;
esac
