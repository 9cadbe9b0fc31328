/** Every bound of the broker: the unit is in the name, the reason beside it. Contracts section 6. */
export const LIMITS = {
  /** A P-256 request is 300 bytes and an RSA-4096 one 1.7 KiB; the rest is room for attributes that are ignored. */
  csrBytesMax: 16 * 1024,
  /** Above the largest request that is meant to pass: a grant of 64 elements, or a CSR with its step. */
  requestBytesMax: 64 * 1024,
  /** A token travels in a header; many servers stop at 8 KiB for all headers together. */
  jwtMintedBytesMax: 6 * 1024,
  /** Checked before anything is parsed. */
  jwtPresentedBytesMax: 8 * 1024,
  grantElementsMax: 64,
  /** Members of one grant element's arrays: more is a sign that `*` or another element was meant. */
  grantListMax: 32,
  /** Of one element; a budget above this bounds nothing that a step could do in its time. */
  grantCallsMax: 1_000_000,
  /** A resource URI or StringOrURI; the usual limit of what servers take for a URL. */
  uriBytesMax: 2_048,
  audiencesPerStepMax: 16,
  jwtSvidsPerBatchMax: 64,
  delegationDepthMax: 8,
  /** Children by one delegation token: a fan-out of work; a token for more is one that anybody could go on using. */
  delegationUsesMax: 100,
  openStepsPerRuntimeDefault: 10_000,
  /** Above what common workers do at once by default (100); an agent's entry may say up to the maximum. */
  openStepsPerExecutorDefault: 256,
  openStepsPerExecutorMax: 1_000,
  /** Beyond this a stock Workload API client would be sent megabytes with every change. */
  stepsPerStreamMax: 64,
  issuancesPerSecondPerStep: 50,
  issuanceBurstPerStep: 100,
  /** Each is a row of the ledger with an fsync: far below what the ledger takes, and above what tools of high risk do. */
  checksPerSecondPerVerifier: 200,
  checkBurstPerVerifier: 400,
  /** Half of its verifier's: an agent in a loop leaves as much to all others there. */
  checksPerSecondPerStep: 100,
  checkBurstPerStep: 200,
  /** Credentials whose step is known before they are verified again: as many as a verifier asks about anew in a minute or more. */
  checkCredentialsKnownMax: 16_384,
  /** Calls that are asked about together: the tool calls of one turn of a model. */
  checksPerBatchMax: 64,
  /** For all of them: whoever asks has its own client waiting. */
  checkBatchMs: 5_000,
  /** In one report: a second of a busy server. */
  usagesPerReportMax: 100,
  /** Kinds of calls of one verifier in one second, 270 bytes each at most; what is beyond that is counted as a gap. */
  usagesPerEventMax: 200,
  /** Tools in one report: a server with more takes more reports. */
  toolsPerReportMax: 100,
  /** Of one tool's definition, counted as it stands in an event, quotes escaped; the largest known ones have a third of it. */
  toolDefinitionBytesMax: 32 * 1024,
  /** Levels of objects and lists in a definition, itself included: schemas have a third of it. */
  toolDefinitionDepthMax: 64,
  /** Of one location: a model is confused by a tenth of it. Further tools are not recorded, and so not pinned. */
  toolsPerLocationMax: 500,
  /** Kept of one tool: what is pinned, what was pinned before, and what was shown since. A server that changes its tools each second ends here. */
  toolDefinitionsMax: 8,
  /** Kept of all tools of a location together: with the largest definitions, 32 MiB. */
  toolDefinitionsPerLocationMax: 1_000,
  /** Secrets of other systems that one step has at a time: more is a loop, and each is something to be ended. */
  exchangesPerStepMax: 16,
  /** A node that is not there for longer tells nothing of its processes: what they execute and hold ends. As after a restart. */
  nodeAbsentSecondsMax: 30,
  /** Of one machine: as many as may execute and open steps there, and be asked about. Facts of others are told anew with their next call. */
  processesPerNodeMax: 16_384,
  segmentBytesMax: 128,
  purposeBytesMax: 1_024,
  /** Enough for somebody who has been told to look at it. */
  approvalSecondsMin: 30,
  approvalSecondsDefault: 600,
  /** What waits for longer has been forgotten, and so has what it was asked for. */
  approvalSecondsMax: 86_400,
  /** Questions that one server may put to approvers about one step at a time: more than these are not looked at, but waved through. */
  callsPendingPerStepMax: 16,
  requestIdBytesMax: 128,
  selectorsPerEntryMax: 32,
  selectorBytesMax: 4_096,
  entriesMax: 100_000,
  connectionsPerUidMax: 256,
  /** A connection without a call for this long is one that its owner forgot to close. */
  connectionIdleMs: 15 * 60 * 1_000,
  watchersMax: 10_000,
  watcherBacklogEventsMax: 10_000,
  /** Denials that a watcher missed. A watcher that missed more is sent the whole deny-list, which is made once for all. */
  resumedDenialsMax: 10_000,
  pageSizeMax: 500,
  pageSizeDefault: 100,
  /** Of one filter, and values of each: more than a person types. */
  historyTermsMax: 64,
  historyValuesMax: 64,
  /** Steps by which a cause is told, with all that descends from them: what an operator can still look through. */
  causedStepsMax: 10_000,
  /** Groups of a count that are told, unless another number is asked for. */
  historyGroupsDefault: 20,
  /** Steps in one answer about a tree: more than a person reads, and with ordinary grants a tenth of a message. */
  stepTreeMax: 200,
  /** Steps, and credentials, that one answer lists one by one; the counts beside the lists count all. */
  listedMax: 100,

  svidTtlSecondsMin: 10,
  svidTtlSecondsMax: 3_600,
  x509SvidTtlSecondsDefault: 300,
  jwtSvidTtlSecondsDefault: 120,
  /** For a verifier whose clock is a little behind; of tokens `iat` as well as `nbf`. */
  x509BackdateSeconds: 10,
  jwtBackdateSeconds: 5,
  stepSecondsDefault: 300,
  stepSecondsMaxDefault: 900,
  /** The longest step an entry may allow: authority is for minutes, not for days. */
  stepSecondsMax: 86_400,
  /** Less than this left is not enough to get a credential to its place and use it. */
  stepSecondsLeftMin: 10,
  leaseSecondsMin: 1,
  leaseSecondsMax: 3_600,
  /** After the last hold of a step went away: time for a client to reconnect. */
  holdGraceMs: 5_000,
  /** After a restart of the broker: time for every held step to be held again. */
  holdGraceAfterRestartMs: 30_000,
  awaitReceiptsSecondsMax: 60,
  maxStalenessSecondsMax: 60,

  /** How long after `exp` a verifier may still accept a credential; a revocation is kept for this time too. */
  verifierLeewaySeconds: 5,
  /** The same of libraries of others: go-jose, Nimbus, Spring and jsonwebtoken for Rust allow 59 to 60 s. */
  foreignLeewaySeconds: 60,
  /** A clock farther off than this is not believed: a verifier refuses, a broker stops issuing. */
  clockSkewSecondsMax: 5,

  /** A bundle of a hundred RSA-4096 authorities is 300 KiB. An answer larger than this is not a bundle. */
  foreignBundleBytesMax: 1024 * 1024,
  /** What is kept of a bundle goes into one event (`eventBytesMax`): counted as it stands there, quotes escaped. */
  federatedBundleBytesMax: 48 * 1024,
  /** From looking up the endpoint's name to the last byte, with redirects; a slower endpoint is asked again anyway. */
  bundleFetchMs: 10_000,
  /** A bundle that was moved takes one redirect; more than these are a loop. */
  bundleRedirectsMax: 3,
  /** What SPIFFE Federation section 4.1 recommends where a bundle gives no hint. */
  bundleRefreshSecondsDefault: 300,
  /** No hint makes the broker fetch, and record, more often than this; the first retry after a failure is this soon. */
  bundleRefreshSecondsMin: 5,
  /** A bundle is fetched at least this often, so that a key that was taken out is believed no longer than this. */
  bundleRefreshSecondsMax: 3_600,

  /** A token with a few hundred groups in it; it travels in a message, not in a header. */
  evidenceTokenBytesMax: 16 * 1024,
  /** For an issuer whose clock is a little off. */
  evidenceLeewaySeconds: 5,
  /** The longest lifetime of a token that counts as evidence: evidence is made for the occasion, not kept. */
  evidenceTokenSecondsMax: 86_400,
  /** More selectors than any issuer's claims come to; bounded because each is looked up among the entries. */
  evidenceSelectorsMax: 256,
  /** An issuer's metadata, or its keys: a hundred keys with their certificates. */
  issuerDocumentBytesMax: 256 * 1024,
  /** For both documents of an issuer, from looking up its name: the workload that attests waits for them. */
  issuerFetchMs: 5_000,
  /** Keys that an issuer took back are believed no longer than this. */
  issuerKeysFreshMs: 10 * 60 * 1_000,
  /** Made-up key ids can't make the broker ask an issuer more often than this. */
  issuerKeysRenewedMs: 30_000,
  /** An issuer that could not be reached is not asked again before this time. */
  issuerRetryMs: 5_000,

  /** An event holds a policy and 16 KiB of what goes with it. */
  policyBytesMax: 48 * 1_024,
  /** More policies than a site writes by hand; a set is loaded whole, and validated whole. */
  policiesPerSetMax: 5_000,
  /** A set is read into memory whole, and goes to the engine whole. */
  policySetBytesMax: 8 * 1024 * 1024,
  /** Tools by server and action that policies are suggested for: five times a set's policies, one for each action. */
  suggestedUsesMax: 25_000,
  /** A decision names the steps that end with it, in the event that holds the grant twice. */
  stepsClosedByDecisionMax: 100,
  /** Attested selectors that policies look at: a process in 140 groups. Policies must not be asked on a part of them. */
  policySelectorsBytesMax: 4 * 1_024,
  /** Names of the data classes that one run was granted, for the same reason. */
  factClassesBytesMax: 4 * 1_024,
  /** Runs in which the open steps of one run count: a step that is delegated once more would connect it with one more. */
  connectedRunsMax: 64,
  /** Data classes that the configuration lists: their digest and names travel in one event. */
  dataClassesMax: 256,
  /** One request asks each server, action and data class of each element; at 300 µs each, a third of a second. */
  policyEvaluationsMax: 1_024,
  riskTtlSecondsDefault: 3_600,
  /** Over a long weekend. A detector that has stopped must not keep a trust domain at a standstill for longer. */
  riskTtlSecondsMax: 7 * 86_400,
  /** Far above what judging every open step takes. */
  awaitJudgingSecondsMax: 60,
  /** How often a request is decided again when what it was decided on has changed meanwhile. */
  decisionsPerRequestMax: 5,
  /** What OpenID Connect allows a subject; an identifier longer than this is no identifier. */
  principalSubjectBytesMax: 255,
  /** Claims of one issuer that are kept of its principals: what policies look at, not a copy of a directory. */
  principalClaimsMax: 32,
  /** Claims are often named by URLs. */
  principalClaimNameBytesMax: 128,
  /** Groups of one person. */
  principalClaimListMax: 256,
  /** All claims that are kept of one principal, as JSON: they are in each step's event, sealed. */
  principalClaimsBytesMax: 8 * 1024,

  /** Issuance stops below this much free space on the ledger's disk. */
  diskFreeBytesMin: 64 * 1024 * 1024,
  /** tlog-tiles counts an entry's length in 16 bits. */
  eventBytesMax: 65_535,
  denialsRecordedPerMinute: 10,
  /** A refusal's text in the ledger; a longer one names many elements of a grant, which the decision lists anyway. */
  refusalBytesMax: 512,
  /** Ids of policies, in a denial that would not fit into one event with all of them. */
  refusedPoliciesBytesMax: 1_024,
  /** What a process ordinarily has takes a tenth of this; a process can be in thousands of groups. */
  refusedSelectorsBytesMax: 2_048,
} as const;
