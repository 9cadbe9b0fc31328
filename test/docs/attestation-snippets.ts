import { readFile } from "node:fs/promises";
import { createStint } from "stint-sdk/runtime";

// The code of docs/guides/attestation.md.

const AUDIENCE = "https://stint.example.org:8443";

export function onKubernetes() {
  //#region kubernetes
  const stint = createStint({
    brokerEndpoint: "tcp://stint.example.org:8445",
    agent: "researcher",
    attestation: {
      address: "stint.example.org:8446",
      trust: { trustDomain: "example.org", bundleFile: "/etc/stint/bundle.pem" },
      evidence: { oidcTokenFile: "/var/run/secrets/stint/token" },
    },
  });
  //#endregion
  return stint;
}

//#region github
/** A new token of the job, for the broker. */
export async function githubToken(): Promise<string> {
  const { ACTIONS_ID_TOKEN_REQUEST_URL: url, ACTIONS_ID_TOKEN_REQUEST_TOKEN: token } = process.env;
  const answer = await fetch(`${url}&audience=${encodeURIComponent(AUDIENCE)}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const { value } = (await answer.json()) as { readonly value: string };
  return value;
}
//#endregion

export async function byEvidence(directory: string) {
  //#region evidence
  const github = { oidc: githubToken };
  const gitlab = { oidc: () => process.env["STINT_TOKEN"] ?? "" };
  const machine = {
    x509pop: {
      certificateChain: await readFile(`${directory}/worker.pem`, "utf8"),
      privateKey: await readFile(`${directory}/worker.key`, "utf8"),
    },
  };
  const joinToken = { joinTokenFile: `${directory}/worker.token` };
  //#endregion
  return { github, gitlab, machine, joinToken };
}
