// A program that reads its step's tokens in Node; run by stdio-example.test.ts.
// #region read
import { credentialsFromFd } from "stint-sdk/runtime";

const credentials = credentialsFromFd(); // of the descriptor that STINT_CREDENTIAL_FD names
const resource = process.env["RESOURCE"] ?? "http://localhost:3000/mcp";

// The newest one, each time that one is needed. Aborts when the step ends.
const credential = await credentials.credential(resource);
const response = await fetch(resource, {
  headers: { authorization: credential.authorization() },
  signal: credentials.signal,
});
process.stdout.write(`${await response.text()}\n`);
// #endregion
