# region use
stint step run --run report-7 --step load --agent researcher --audience https://db.example.org --executor tree -- sh -c '
  eval "$(stint exchange books)" && psql "$BOOKS_URL" --command "SELECT count(*) FROM books"'
# endregion
# region look
stint history exchanges --alive            # of which something may be alive, and where
stint history exchanges --run report-7     # what became of each
stint step show report-7/load              # what one step has
stint revoke --run report-7 --dry-run      # what would end with it, secrets of other systems among it
# endregion
