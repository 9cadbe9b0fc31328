// A verifier of what is federated, for the documentation; run by federation-example.test.ts.
import { createVerifier, type Verifier } from "stint-sdk/verifier";

export function verifierOf(endpoint: string, resource: string, development: boolean): Verifier {
  // #region grants
  const options = { endpoint, audiences: [resource], grantsFrom: ["partner.example"] };
  // #endregion
  return createVerifier({ ...options, development });
}
