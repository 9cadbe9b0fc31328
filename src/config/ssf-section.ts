import { absolutePath, httpsUrl, list, section, text, yesNo } from "./fields.ts";
import { checkIssuersApart } from "./oidc-issuer.ts";

/** Security events (OpenID Shared Signals Framework): those that are sent, and those that are taken. */
export const ssfSection = section({
  transmit: yesNo()
    .prefault(false)
    .describe("Send security events to verifiers that ask for them: what ended, as CAEP events, by push or poll."),
  roots: absolutePath()
    .optional()
    .describe(
      "PEM file of CA certificates that vouch for the places that events are pushed to. Absent: the public CAs.",
    ),
  receive: list(
    section({
      issuer: httpsUrl().describe("Exactly the `iss` of its events, and of the subjects that they are about."),
      jwks_uri: httpsUrl().describe("Where the keys of its events are."),
      audience: text("what its events have as `aud`").describe("The `aud` of its events for this broker."),
      roots: absolutePath()
        .optional()
        .describe("PEM file of CA certificates that vouch for jwks_uri. Absent: the public CAs."),
    }),
    "issuers",
  )
    .prefault([])
    .describe(
      "Identity providers whose security events end what principals' steps are open, at /ssf/events. None: none.",
    ),
}).superRefine(({ receive }, context) => checkIssuersApart("receive", receive, context));
