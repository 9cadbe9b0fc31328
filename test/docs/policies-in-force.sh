# region look
stint policy status                                     # what is in force, since when, why
stint policy list                                       # all versions
stint policy show 1 baseline.ratchet                    # the text of one policy, with its file and line
# endregion
# region change
stint policy put policies                               # a directory of *.cedar: the next version, not in force
stint policy diff 1 2                                   # what it adds, takes away and changes
stint policy activate 2 --reason "reviewed" --yes       # without --yes it asks first
stint policy activate 1 --reason "back to before" --yes
# endregion
# region whatif
stint policy replay --policies policies --since 7d      # which decisions would be others?
stint policy replay --policy-version 2 --agent researcher -o json
stint policy suggest --agent researcher --since 30d     # as much as was used, and no more
# endregion
