stint policy schema                    # what a policy can ask about
stint policy validate policies         # a directory of *.cedar; each finding with file, line and column
stint policy test policies             # runs the cases in policies/*.test.yaml
