// Who may import whom, packages included: the table "Allowed imports" of the architecture, as data. Each room lists all that it may
// import besides itself; what is not listed is an error. `scripts/check-imports.ts` runs this, and on planted violations too.

/** The stages every decision-making room stands on. */
const core = ["domain", "ports", "verify"];
const paths = ["open", "issue", "close"];
const grpc = ["@grpc/grpc-js", "@bufbuild/protobuf"];

/** `builtins: true` is any module of Node.js. A room without a folder of its own rules is one that nobody has thought about. */
const rooms = {
  domain: { rooms: [], packages: [], builtins: ["crypto"] },
  ports: { rooms: ["domain"], packages: [], builtins: [] },
  attest: { rooms: core, packages: [], builtins: [] },
  decide: { rooms: core, packages: [], builtins: [] },
  audit: { rooms: core, packages: [], builtins: [] },
  // Why a decision came out as it did, by the same functions that made it.
  explain: { rooms: [...core, "decide"], packages: [], builtins: [] },
  // What an act may do, and who is told of it; no path and no database.
  ledger: { rooms: ["domain", "ports"], packages: [], builtins: [] },
  follow: { rooms: ["domain", "ports"], packages: [], builtins: [] },
  issue: { rooms: [...core, "decide", "follow"], packages: [], builtins: [] },
  close: { rooms: [...core, "decide", "follow"], packages: [], builtins: [] },
  // Secrets of other systems: traded for a step's credential, and ended with the step.
  exchange: { rooms: [...core, "decide", "follow", "issue"], packages: [], builtins: [] },
  // The set of policies in force, and who puts which in force.
  policy: { rooms: [...core, "decide", "follow"], packages: [], builtins: [] },
  registry: { rooms: [...core, "decide", "follow"], packages: [], builtins: [] },
  authority: { rooms: [...core, "decide", "follow"], packages: [], builtins: [] },
  federation: { rooms: [...core, "decide", "follow"], packages: [], builtins: [] },
  // Security events: told to receivers whose streams are kept here, and taken from the issuers that are configured.
  signals: { rooms: [...core, "decide", "follow"], packages: [], builtins: [] },
  // One call of a tool, decided at run time by the credential that came with it.
  check: { rooms: [...core, "decide", "audit"], packages: [], builtins: [] },
  // A step may be opened together with its first credentials, and is held by what ends it otherwise.
  open: { rooms: [...core, "decide", "issue", "close"], packages: [], builtins: [] },
  // The issuing path, again and again.
  stream: { rooms: [...core, "decide", "issue"], packages: [], builtins: [] },
  verify: { rooms: ["domain"], packages: ["jose"], builtins: ["crypto"] },
  wire: { rooms: ["gen", "domain"], packages: grpc, builtins: [] },
  api: {
    rooms: [
      "attest",
      "decide",
      ...paths,
      "exchange",
      "stream",
      "registry",
      "policy",
      "authority",
      "federation",
      "audit",
      "check",
      "explain",
      "signals",
      ...core,
      "wire",
      "gen",
    ],
    packages: [...grpc, "hono", "@hono/node-server", "@connectrpc/connect", "@connectrpc/connect-node"],
    builtins: true,
  },
  // PKCS #12 is written for a program that runs beside the command line, and read for the daemon. Policies are validated and
  // tested where they are written, without a broker, by the engine that will decide by them; what it is asked is a port. What
  // the ledger proves is checked where no broker is. Reports are written as files of a format.
  cli: {
    rooms: [
      "sdk",
      "guard",
      "bridge",
      "wire",
      "gen",
      "domain",
      "ports",
      "verify",
      "adapters/parquet-hyparquet",
      "adapters/pdf-pdfkit",
      "adapters/pkcs12-forge",
      "adapters/policy-cedar",
    ],
    packages: ["commander", "@bomb.sh/tab", "yaml"],
    builtins: true,
  },
  console: {
    // What it shows, it says as the command line does, by the same views; what it checks, by the same checks.
    rooms: ["gen", "wire", "domain", "cli/output", "cli/ledger"],
    packages: [
      "@bufbuild/protobuf",
      "@connectrpc/connect",
      "@connectrpc/connect-web",
      "@noble/ed25519",
      "@noble/hashes",
      "preact",
      "vite",
    ],
    builtins: ["path"],
  },
  // A program of its own in front of a server that nobody changes: a verifier with the guard of the SDK.
  guard: {
    rooms: ["sdk", "config", "domain"],
    packages: ["zod", "undici", "@modelcontextprotocol/server"],
    builtins: true,
  },
  // The same for a client that nobody changes: a runtime of the SDK, between the client and its servers.
  bridge: { rooms: ["sdk", "domain"], packages: ["@modelcontextprotocol/client"], builtins: true },
  config: { rooms: ["domain"], packages: ["zod", "yaml"], builtins: true },
  // What is wrong on a machine: facts, and what they mean. What it takes an adapter to know, `main` brings.
  doctor: { rooms: ["domain"], packages: [], builtins: true },
  // The agent of a machine without a broker: attests there, and asks the broker for the processes there.
  node: { rooms: ["sdk", "config", "wire", "gen", "domain", "ports"], packages: [...grpc, "zod"], builtins: true },
  // What of the package lies beside the modules, in a folder or in the executable.
  package: { rooms: [], packages: [], builtins: true },
};

/** Every adapter may import `core` and Node.js; here is the library whose one home it is. An adapter not named here has none. */
const adapters = {
  "attestor-oidc": ["jose"],
  "attestor-unix": ["koffi"],
  "exchange-postgres": ["pg"],
  "events-nats": ["@nats-io/jetstream", "@nats-io/transport-node"],
  "ledger-postgres": ["pg"],
  "ledger-sqlite": ["better-sqlite3"],
  "log-pino": ["pino"],
  "metrics-prom": ["prom-client"],
  "parquet-hyparquet": ["hyparquet-writer"],
  "pdf-pdfkit": ["pdfkit"],
  "pkcs12-forge": ["node-forge"],
  "policy-cedar": ["@cedar-policy/cedar-wasm"],
  "sign-in-oidc": ["oauth4webapi"],
  "signer-pkcs11": ["pkcs11js"],
  "tracing-otel": [
    "@opentelemetry/api",
    "@opentelemetry/exporter-trace-otlp-http",
    "@opentelemetry/resources",
    "@opentelemetry/sdk-trace",
  ],
};

const sdkRooms = ["gen", "wire", "domain", "verify"];
const sdkPackages = [...grpc, "jose"];
/** Folders of the SDK that adapt it to a framework, an optional peer; no other folder of it may import that. */
const sdkPeers = {
  mcp: ["@modelcontextprotocol/client", "@modelcontextprotocol/server"],
  "mcp-v1": ["@modelcontextprotocol/sdk"],
};
/** And those with a library whose one home in the SDK they are. */
const sdkHomes = { ...sdkPeers, "mcp-guard": ["@hono/node-server"] };

const folders = (names) => names.map((name) => `^src/${name}/`);
/** Who may use Node.js may read what came along, and start it. */
const withNode = folders(["package"]);
/** Anywhere up the tree, because the planted violations are cruised from a folder of their own; types count as their package. */
const packages = (names) => names.map((name) => `(^|/)node_modules/(@types/)?${RegExp.escape(name)}/`);

/** One rule: what `from` imports that is in none of `to`, whether it could be resolved or not. */
function mayImportOnly(name, from, { rooms: to, packages: libraries, builtins }) {
  const allowed = [...folders(to), ...packages(libraries)];
  const rule = { name, severity: "error", from, to: { pathNot: allowed } };
  if (builtins === true) {
    allowed.push(...withNode);
    rule.to.dependencyTypesNot = ["core"];
  } else {
    allowed.push(...builtins.map((builtin) => `^(node:)?${builtin}$`));
  }
  return rule;
}

const roomRules = Object.entries(rooms)
  .filter(([room]) => room !== "cli")
  .map(([room, may]) =>
    mayImportOnly(`${room}-imports`, { path: `^src/${room}/` }, { ...may, rooms: [room, ...may.rooms] }),
  );

const starters = "^src/cli/(stintd|dev|node|init|doctor)(/|\\.ts$)";
const cli = { ...rooms.cli, rooms: ["cli", ...rooms.cli.rooms] };
const cliRule = mayImportOnly("cli-imports", { path: "^src/cli/", pathNot: starters }, cli);
const starterRule = mayImportOnly("cli-starters-imports", { path: starters }, cli);
// A daemon has threads load what they run while its own program is loaded.
starterRule.to.pathNot.push(
  "^src/main\\.ts$",
  "^src/main/(threads-ahead|node-agent|examine)\\.ts$",
  "^src/node/node-config\\.ts$",
  // A first configuration is one that the daemon reads: it is asked of what will read it.
  "^src/config/(load-config|local-accounts|finding)\\.ts$",
  // A machine is looked at by what the daemon is made of, which `main` brings together; what was found is shown here.
  "^src/doctor/(broker|diagnosis)\\.ts$",
);

const adapterFolder = (name) => `adapters/${name}`;
const adapterRules = [
  ...Object.entries(adapters).map(([name, libraries]) =>
    mayImportOnly(
      `adapters-${name}-imports`,
      { path: `^src/adapters/${name}/` },
      {
        // A ledger's adapter shares the rules with every other; what it adds is a database.
        rooms: [adapterFolder(name), ...core, ...(name.startsWith("ledger-") ? ["ledger"] : [])],
        packages: libraries,
        builtins: true,
      },
    ),
  ),
  {
    ...mayImportOnly("adapters-imports", {}, { rooms: core, packages: [], builtins: true }),
    from: { path: "^src/adapters/([^/]+)/", pathNot: folders(Object.keys(adapters).map(adapterFolder)) },
  },
];
// "Itself" of an adapter that is not listed is the folder that the rule's `from` captured.
adapterRules.at(-1).to.pathNot.push("^src/adapters/$1/");

const sdkRules = [
  ...Object.entries(sdkHomes).map(([name, libraries]) =>
    mayImportOnly(
      `sdk-${name}-imports`,
      { path: `^src/sdk/${name}/` },
      {
        rooms: ["sdk", ...sdkRooms],
        packages: [...sdkPackages, ...libraries],
        builtins: true,
      },
    ),
  ),
  mayImportOnly(
    "sdk-imports",
    { path: "^src/sdk/", pathNot: folders(Object.keys(sdkHomes).map((name) => `sdk/${name}`)) },
    { rooms: ["sdk", ...sdkRooms], packages: sdkPackages, builtins: true },
  ),
];

/** Everything that may stand directly under src; a new folder needs a decision record, and then a line above. */
export const roomNames = [...Object.keys(rooms), "adapters", "gen", "main", "sdk"];

export default {
  forbidden: [
    ...roomRules,
    cliRule,
    starterRule,
    ...adapterRules,
    ...sdkRules,
    {
      name: "main-imports",
      comment: "The composition root wires everything that ships, and nothing that does not.",
      severity: "error",
      from: { path: ["^src/[^/]+\\.ts$", "^src/main/"] },
      to: { path: ["^test/", "^scripts/"] },
    },
    {
      name: "no-development-packages",
      comment:
        "What ships must not import what is not installed with it. Types are erased; the MCP packages are optional peers.",
      severity: "error",
      from: {
        path: "^src/",
        pathNot: ["^src/gen/", "^src/console/", ...folders(Object.keys(sdkPeers).map((name) => `sdk/${name}`))],
      },
      to: { dependencyTypes: ["npm-dev"], dependencyTypesNot: ["type-only"] },
    },
    {
      name: "no-cycles",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/gen/" },
      to: { circular: true },
    },
    {
      name: "no-unresolvable",
      severity: "error",
      from: { path: "^src/" },
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: ["node_modules", "^src/gen/"] },
    // Imports of types count too: a type is a dependency on the room that gives it its meaning.
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "types", "default"] },
    skipAnalysisNotInRules: true,
  },
};
