// A verifier in a process of its own. Options are its first argument, and where it hears by NATS a server the second; each line on standard input is a question, and is
// answered by a line. That a step has ended is told unasked.

import { createInterface } from "node:readline";
import { createVerifier, type ToolUse, VerificationError, type VerifierOptions } from "../../src/sdk/verifier/index.ts";

type Question = { readonly id: number; readonly token?: string; readonly use?: ToolUse };

const [, , given = "{}", nats] = process.argv;
const options = JSON.parse(given) as VerifierOptions;
if (nats !== undefined && options.revocation?.from === "nats") {
  const { connect } = await import("@nats-io/transport-node");
  const connection = await connect({ servers: nats, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
  Object.assign(options.revocation, { connection });
}
const verifier = createVerifier(options);
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
const watched = new Set<string>();

/** What a resource would do with a request: verify the token, then hold the use of its tool against it. */
async function judge({ token = "", use }: Question): Promise<string> {
  try {
    await verifier.learn(token);
    const verified = verifier.verify(token, use === undefined ? {} : { actions: use.actions });
    if (use !== undefined) verifier.authorize(verified, use);
    if (!watched.has(verified.jti)) {
      watched.add(verified.jti);
      verifier.onClosed(verified, ({ code, metadata }) => say({ ended: verified.step.stepId, code, metadata }));
    }
    return "accepted";
  } catch (thrown) {
    if (thrown instanceof VerificationError) return thrown.code;
    throw thrown;
  }
}

createInterface({ input: process.stdin }).on("line", async (line) => {
  const question = JSON.parse(line) as Question;
  const code = question.token === undefined ? "" : await judge(question);
  say({ id: question.id, code, status: verifier.status() });
});

await verifier.ready();
say({ ready: true });
