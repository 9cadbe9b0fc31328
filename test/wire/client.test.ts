import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Client, credentials, Metadata, type ServerUnaryCall, status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { BrokerError } from "../../src/domain/errors.ts";
import { Console } from "../../src/gen/stint/v1/console_pb.js";
import { Ledger } from "../../src/gen/stint/v1/ledger_pb.js";
import { Revocations, type WatchRequest } from "../../src/gen/stint/v1/revocations_pb.js";
import { Status } from "../../src/gen/stint/v1/status_pb.js";
import { GetRequestSchema, Steps } from "../../src/gen/stint/v1/steps_pb.js";
import { CallError, callErrorOf } from "../../src/wire/call-error.ts";
import { openChannel } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { addService, type HandlersOf, receivedMessage } from "../../src/wire/service-definition.ts";
import { serviceErrorOf } from "../../src/wire/service-error.ts";
import { serving } from "./serving.ts";

type StepsHandlers = HandlersOf<typeof Steps>;

const unexpected = () => {
  throw new Error("not called in this test");
};
const steps: StepsHandlers = {
  open: unexpected,
  hold: unexpected,
  renew: unexpected,
  close: unexpected,
  get: unexpected,
  getTree: unexpected,
  watchClosure: unexpected,
  getClosureReceipt: unexpected,
  list: unexpected,
  enroll: unexpected,
};

const servingSteps = (handlers: Partial<StepsHandlers>) =>
  serving((server) => addService(server, Steps, { ...steps, ...handlers }));

/** What a rejected call was rejected with. */
async function failureOf(call: Promise<unknown>): Promise<CallError> {
  const thrown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(thrown).toBeInstanceOf(CallError);
  return thrown as CallError;
}

describe("a unary call", () => {
  test("carries the request there, the response back, and the header that the endpoint asks for", async () => {
    const { channel } = await servingSteps({
      get(call, answer) {
        const { by } = receivedMessage(call.request);
        const header = call.metadata.get("workload.spiffe.io");
        answer(null, { step: { stepId: `${by.case} ${by.case === "stepId" ? by.value : ""} ${header}` } });
      },
    });
    const response = await createClient(Steps, channel).get({ by: { case: "stepId", value: "step_1" } });
    expect(response.step?.stepId).toBe("stepId step_1 true");
  });

  test("that is refused throws code, reason, metadata and message", async () => {
    const { channel } = await servingSteps({
      get(_call, answer) {
        const refusal = new BrokerError("STEP_CLOSED", "the step is COMPLETED", { metadata: { state: "COMPLETED" } });
        answer(serviceErrorOf(refusal));
      },
    });
    const failure = await failureOf(createClient(Steps, channel).get({}));
    expect(failure).toMatchObject({
      code: 9,
      codeName: "FAILED_PRECONDITION",
      reason: "STEP_CLOSED",
      metadata: { state: "COMPLETED" },
      message: "the step is COMPLETED",
      unreachable: false,
    });
  });

  test("that met a bug of the server's tells nothing of it", async () => {
    const { channel } = await servingSteps({
      get(_call, answer) {
        answer(serviceErrorOf(new Error("password=hunter2 at /var/lib/stint/ca.key")));
      },
    });
    const failure = await failureOf(createClient(Steps, channel).get({}));
    expect(failure).toMatchObject({ code: 13, message: "internal error", reason: undefined, metadata: {} });
  });

  test("to a socket that nobody listens on is unreachable, not refused", async () => {
    const { socket } = await servingSteps({});
    const channel = openChannel(`${socket}.gone`);
    const failure = await failureOf(createClient(Steps, channel).get({}));
    channel.close();
    expect(failure).toMatchObject({ code: 14, unreachable: true, reason: undefined });
  });

  test("that is aborted rejects with the reason it was aborted for", async () => {
    const arrived = Promise.withResolvers<void>();
    const { channel } = await servingSteps({ get: () => arrived.resolve() });
    const abort = new AbortController();
    const call = createClient(Steps, channel).get({}, { signal: abort.signal });
    await arrived.promise;
    const reason = new Error("the user left");
    abort.abort(reason);
    await expect(call).rejects.toBe(reason);
    await expect(createClient(Steps, channel).get({}, { signal: abort.signal })).rejects.toBe(reason);
  });

  test("of a method that the broker does not have says which, and that the broker is older", async () => {
    const { channel } = await servingSteps({});
    const says =
      "the broker does not know stint.v1.Console/Open: it is of an older version, or serves that at another endpoint";
    const refused = { code: 12, isUnknownMethod: true, message: says };
    expect(await failureOf(createClient(Console, channel).open({}))).toMatchObject(refused);
    const follow = createClient(Status, channel).follow({}).next();
    expect(await failureOf(follow)).toMatchObject({
      isUnknownMethod: true,
      message: says.replace("Console/Open", "Status/Follow"),
    });
  });

  test("ends by its deadline", async () => {
    const { channel } = await servingSteps({ get: () => undefined });
    const failure = await failureOf(createClient(Steps, channel).get({}, { deadlineMs: 1 }));
    expect(failure).toMatchObject({ code: 4, unreachable: true });
  });
});

describe("a request", () => {
  /** Sends bytes as they are to `Steps.Get`, which answers with the step id it read. */
  async function sendingRaw(bytes: Uint8Array): Promise<Uint8Array> {
    const { channel } = await servingSteps({
      get(call, answer) {
        try {
          const { by } = receivedMessage(call.request);
          answer(null, { step: { stepId: by.case === "stepId" ? by.value : "" } });
        } catch (thrown) {
          answer(serviceErrorOf(thrown));
        }
      },
    });
    const wire = new Client("", credentials.createInsecure(), { channelOverride: channel });
    const asIs = (value: Uint8Array) => Buffer.from(value);
    return new Promise((resolve, reject) => {
      wire.makeUnaryRequest("/stint.v1.Steps/Get", asIs, asIs, bytes, new Metadata(), {}, (error, response) => {
        if (error === null && response !== undefined) resolve(response);
        else reject(callErrorOf(error));
      });
    });
  }

  const request = toBinary(GetRequestSchema, create(GetRequestSchema, { by: { case: "stepId", value: "step_1" } }));

  test("with fields that this version does not know is understood all the same", async () => {
    const extra = new BinaryWriter().tag(900, WireType.LengthDelimited).string("from the future").finish();
    const response = await sendingRaw(Buffer.concat([request, extra]));
    expect(Buffer.from(response).toString()).toContain("step_1");
  });

  test.for([
    { bad: "cut off", bytes: request.subarray(0, -1) },
    { bad: "no protobuf", bytes: Buffer.from("GET / HTTP/1.1\r\n\r\n") },
    { bad: "a string that is not UTF-8", bytes: Buffer.from([0x0a, 0x02, 0xc3, 0x28]) },
    { bad: "of groups in groups in groups", bytes: Buffer.alloc(60_000, 0x4b) },
  ])("that is $bad is refused as a bad request, not as a failure of ours", async ({ bytes }) => {
    const failure = await failureOf(sendingRaw(bytes));
    expect(failure).toMatchObject({ code: 3, reason: "INVALID_FIELD", metadata: { field: "request" } });
    expect(failure.message).toBe("request: a well-formed stint.v1.GetRequest");
  });

  test("that is over the limit is refused with the limit", async () => {
    const failure = await failureOf(sendingRaw(Buffer.alloc(64 * 1024 + 1)));
    expect(failure).toMatchObject({ code: 8, reason: "LIMIT_EXCEEDED", message: "request: at most 65536 bytes" });
  });
});

describe("a server's stream", () => {
  test("is iterated to its end, however slow the consumer", async () => {
    const { channel } = await servingSteps({
      hold(call) {
        for (let index = 0; index < 500; index++) call.write({ step: { stepId: `${index}` } });
        call.end();
      },
    });
    const seen: string[] = [];
    for await (const { step } of createClient(Steps, channel).hold({ stepId: "step_1" })) {
      seen.push(step?.stepId ?? "");
      await new Promise(setImmediate);
    }
    expect(seen).toEqual(Array.from({ length: 500 }, (_, index) => `${index}`));
  });

  test("gives all its messages before the error that ended it, to a consumer who comes late", async () => {
    const { channel } = await servingSteps({
      hold(call) {
        // More than wait for the consumer, so that the last of them still are in the stream when the error comes.
        for (let index = 0; index < 70; index++) call.write({ step: { stepId: `${index}` } });
        call.emit("error", serviceErrorOf(new BrokerError("NOT_SERVING", "shutting down")));
      },
      get: (_call, answer) => answer(null, {}),
    });
    const client = createClient(Steps, channel);
    const messages = client.hold({});
    // Answered on the same connection, and so after the stream has come in whole.
    await client.get({});
    await new Promise(setImmediate);
    let count = 0;
    const all = (async () => {
      for await (const _ of messages) count += 1;
    })();
    const failure = await failureOf(all);
    expect([count, failure.reason]).toEqual([70, "NOT_SERVING"]);
  });

  test("keeps an error that came before anybody listened", async () => {
    const refused = Promise.withResolvers<void>();
    const { channel } = await servingSteps({
      hold(call) {
        call.emit("error", serviceErrorOf(new BrokerError("STEP_NOT_FOUND", "no such step")));
        call.on("finish", () => refused.resolve());
      },
    });
    const messages = createClient(Steps, channel).hold({});
    await refused.promise;
    await new Promise(setImmediate);
    expect((await failureOf(messages.next())).reason).toBe("STEP_NOT_FOUND");
    expect(await messages.next()).toEqual({ done: true, value: undefined });
  });

  test("is cancelled when its consumer leaves", async () => {
    const cancelled = Promise.withResolvers<void>();
    const { channel } = await servingSteps({
      hold(call) {
        call.on("cancelled", () => cancelled.resolve());
        call.write({});
      },
    });
    for await (const _ of createClient(Steps, channel).hold({})) break;
    await cancelled.promise;
  });

  test("is cancelled when its consumer leaves while it waits", async () => {
    const cancelled = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    const { channel } = await servingSteps({
      hold(call) {
        call.on("cancelled", () => cancelled.resolve());
        arrived.resolve();
      },
    });
    const messages = createClient(Steps, channel).hold({});
    const waiting = messages.next();
    await arrived.promise;
    await messages.return?.();
    expect(await waiting).toEqual({ done: true, value: undefined });
    await cancelled.promise;
  });

  test("that is aborted throws the reason it was aborted for", async () => {
    const { channel } = await servingSteps({ hold: (call) => call.write({}) });
    const abort = new AbortController();
    const messages = createClient(Steps, channel).hold({}, { signal: abort.signal });
    await messages.next();
    const reason = new Error("the step is over");
    abort.abort(reason);
    await expect(messages.next()).rejects.toBe(reason);
  });
});

describe("a bidirectional call", () => {
  const echo = (server: Parameters<Parameters<typeof serving>[0]>[0]) =>
    addService(server, Revocations, {
      revoke: unexpected,
      watch(call) {
        call.on("data", (received) => {
          const { message } = receivedMessage<WatchRequest>(received);
          if (message.case === "ping") call.write({ message: { case: "pong", value: { nonce: message.value.nonce } } });
        });
        call.on("end", () => call.end());
      },
    });

  test("answers message by message, and ends after its sender has ended", async () => {
    const { channel } = await serving(echo);
    const call = createClient(Revocations, channel).watch();
    for (const nonce of [1, 2, 3]) call.send({ message: { case: "ping", value: { nonce: Uint8Array.of(nonce) } } });
    call.end();
    const seen: number[] = [];
    for await (const { message } of call.responses) seen.push((message.case === "pong" && message.value.nonce[0]) || 0);
    expect(seen).toEqual([1, 2, 3]);
    call.send({ message: { case: "ping", value: { nonce: Uint8Array.of(4) } } });
  });

  test("that is cancelled is over for both sides, without an error", async () => {
    const arrived = Promise.withResolvers<void>();
    const cancelled = Promise.withResolvers<void>();
    const { channel } = await serving((server) =>
      addService(server, Revocations, {
        revoke: unexpected,
        watch(call) {
          call.on("cancelled", () => cancelled.resolve());
          arrived.resolve();
        },
      }),
    );
    const call = createClient(Revocations, channel).watch();
    const next = call.responses.next();
    call.send({});
    await arrived.promise;
    call.cancel();
    expect(await next).toEqual({ done: true, value: undefined });
    await cancelled.promise;
  });
});

test("a thrown value of any kind passes the one door", () => {
  expect(callErrorOf("a string")).toMatchObject({
    name: "CallError",
    code: status.UNKNOWN,
    message: "the call failed",
  });
  expect(callErrorOf(undefined)).toBeInstanceOf(CallError);
  const already = callErrorOf(null);
  expect(callErrorOf(already)).toBe(already);
});

test("a reason that this version does not know is kept, and is still a refusal", () => {
  const info = { reason: "FROM_THE_FUTURE", domain: "stint", metadata: {} };
  const error = new CallError(status.UNAVAILABLE, "no", { info });
  expect([error.reason, error.info?.reason, error.unreachable]).toEqual([undefined, "FROM_THE_FUTURE", false]);
});

test("a call is typed by its contract", () => {
  const client = createClient(Ledger, openChannel("/nowhere"));
  const get: (request: Record<never, never>) => Promise<{ epoch: string }> = client.get;
  const handler: HandlersOf<typeof Ledger>["get"] = (_call: ServerUnaryCall<unknown, unknown>, answer) =>
    answer(null, { epoch: "1" });
  expect([typeof get, typeof handler]).toEqual(["function", "function"]);
});
