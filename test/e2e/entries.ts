/** Users that the tests' processes run as. None of them need exist. */
export const UID = { runtime: 4_101, otherRuntime: 4_102, agent: 4_201, verifier: 4_301, stranger: 4_999 } as const;

export const SEARCH = "https://search.example/mcp";
export const FILES = "https://files.example/mcp";

export const READ_SEARCH = {
  type: "mcp_tool",
  locations: [SEARCH],
  identifier: "search",
  actions: ["read"],
  datatypes: ["internal"],
};
export const WRITE_FILES = {
  type: "mcp_tool",
  locations: [FILES],
  identifier: "write_file",
  actions: ["write"],
  datatypes: ["internal"],
};

/** An agent, two runtimes that may open its steps, and a verifier: one user each, as on a real machine. */
export const ENTRIES = [
  {
    kind: "agent",
    name: "researcher",
    selectors: [`unix:uid:${UID.agent}`],
    ceiling: [
      { ...READ_SEARCH, actions: ["read", "execute"] },
      { ...WRITE_FILES, actions: ["read", "write"] },
    ],
    audiences: ["https://identity.example"],
    allow_any_executor: true,
  },
  // Runs in the runtime's own process: executor self.
  {
    kind: "agent",
    name: "inline",
    selectors: [`unix:uid:${UID.runtime}`],
    ceiling: [READ_SEARCH, WRITE_FILES],
    may_open: true,
    jwt_svid_ttl: 60,
  },
  { kind: "runtime", name: "flow", selectors: [`unix:uid:${UID.runtime}`], agents: ["researcher", "inline"] },
  { kind: "runtime", name: "other", selectors: [`unix:uid:${UID.otherRuntime}`], agents: ["researcher"] },
  { kind: "verifier", name: "mcp-1", selectors: [`unix:uid:${UID.verifier}`], audiences: [SEARCH, FILES] },
];
