import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { Credentials } from "../../../src/gen/stint/v1/credentials_pb.js";
import { askBroker } from "../../../src/sdk/runtime/broker.ts";
import { CallError } from "../../../src/wire/call-error.ts";
import { createClient } from "../../../src/wire/client.ts";
import { serving } from "../../wire/serving.ts";

test("a last attempt that had no time left is told by what the attempts before it met", async () => {
  let attempts = 0;
  const asked = askBroker(() => {
    attempts += 1;
    throw attempts === 1
      ? new CallError(status.UNAVAILABLE, "connect ENOENT")
      : new CallError(status.DEADLINE_EXCEEDED, "Deadline exceeded after 0.001s");
  });
  await expect(asked).rejects.toMatchObject({
    reason: "UNREACHABLE",
    message: "the broker does not answer: there is no such socket",
  });
  expect(attempts).toBeGreaterThan(1);
});

test("where no attempt met anything else, that there was no answer in time is what is told", async () => {
  const asked = askBroker(
    () => {
      throw new CallError(status.DEADLINE_EXCEEDED, "Deadline exceeded");
    },
    { once: true },
  );
  await expect(asked).rejects.toMatchObject({ message: "the broker does not answer: no answer in time" });
});

test("a broker that is too old to know a call is refused by name, and not asked again", async () => {
  const { channel } = await serving(() => undefined);
  await expect(askBroker(() => createClient(Credentials, channel).issueJwtSvid({}))).rejects.toMatchObject({
    reason: "UNIMPLEMENTED",
    message: expect.stringContaining(
      "the broker does not know stint.v1.Credentials/IssueJwtSvid: it is of an older version",
    ),
    retryable: false,
  });
});
