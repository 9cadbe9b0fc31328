// A server of mutual TLS, for the documentation; run by tls-snippet.test.ts.
import { createServer, type Server } from "node:https";
import type { Step } from "stint-sdk/runtime";
import { createTlsServer, VerificationError, type Verifier } from "stint-sdk/verifier";

export async function serve(verifier: Verifier, step: Step): Promise<Server> {
  const own = await step.x509Svid();
  // #region tls
  const { server, check, setSvid } = createTlsServer({
    verifier,
    svid: own.tls(), // { cert, key }, PEM; call setSvid(next.tls()) before it expires
    create: (options) =>
      createServer(options, (request, response) => {
        try {
          const { spiffeId, step } = check(request.socket); // anew for every request
          response.end(step === undefined ? `hello ${spiffeId}` : `hello ${step.runId}/${step.step}`);
        } catch (error) {
          response.statusCode = error instanceof VerificationError && error.fault === "verifier" ? 503 : 403;
          response.end();
        }
      }),
  });
  // #endregion
  setSvid(own.tls());
  return server;
}
