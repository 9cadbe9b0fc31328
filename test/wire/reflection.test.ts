import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import type { Channel } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { Ledger } from "../../src/gen/stint/v1/ledger_pb.js";
import { Steps } from "../../src/gen/stint/v1/steps_pb.js";
import { createClient } from "../../src/wire/client.ts";
import { addReflection } from "../../src/wire/reflection.ts";
import {
  type ReflectionRequest,
  type ReflectionResponse,
  reflectionContract,
} from "../../src/wire/reflection-contract.ts";
import { addService } from "../../src/wire/service-definition.ts";
import { serving } from "./serving.ts";

const run = promisify(execFile);
const BUF = resolve(import.meta.dirname, "../../node_modules/.bin/buf");

const servingReflection = () =>
  serving((server) => {
    addReflection(server, [Steps, Ledger]);
    addService(server, Ledger, {
      get: (_call, answer) => answer(null, { epoch: "epoch_1", sequence: 7n }),
      acceptRestore: (_call, answer) => answer(null, {}),
      getCheckpoint: (_call, answer) => answer(null, {}),
      prove: (_call, answer) => answer(null, {}),
      proveConsistency: (_call, answer) => answer(null, {}),
      verify: (call) => call.end(),
      backup: (call) => void call.end(),
      follow: (call) => void call.end(),
    });
  });

async function ask(
  channel: Channel,
  version: "v1" | "v1alpha",
  messageRequest: ReflectionRequest["messageRequest"],
): Promise<ReflectionResponse["messageResponse"]> {
  type Info = () => { send(request: object): void; end(): void; responses: AsyncIterable<ReflectionResponse> };
  const client = createClient(reflectionContract(version), channel) as unknown as { serverReflectionInfo: Info };
  const call = client.serverReflectionInfo();
  call.send({ messageRequest });
  call.end();
  for await (const response of call.responses) return response.messageResponse;
  throw new Error("no answer");
}

/** Names of the files in an answer, or the error's code. */
function filesOf(answer: ReflectionResponse["messageResponse"]): readonly string[] | number {
  if (answer.case === "errorResponse") return answer.value.errorCode;
  if (answer.case !== "fileDescriptorResponse") throw new Error(answer.case);
  return answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name);
}

describe("reflection", () => {
  test("is all that a foreign client needs to list our services and to call one", async () => {
    const { socket } = await servingReflection();
    const curl = (...args: readonly string[]) =>
      run(BUF, ["curl", "--protocol", "grpc", "--http2-prior-knowledge", "--unix-socket", socket, ...args]);
    const listed = await curl("--list-services", "http://stint");
    expect(listed.stdout.trim().split("\n")).toEqual([
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
      "stint.v1.Ledger",
      "stint.v1.Steps",
    ]);
    const answered = await curl("http://stint/stint.v1.Ledger/Get");
    expect(JSON.parse(answered.stdout)).toEqual({ epoch: "epoch_1", sequence: "7" });
  });

  test.for(["v1", "v1alpha"] as const)("%s lists the services", async (version) => {
    const { channel } = await servingReflection();
    const answer = await ask(channel, version, { case: "listServices", value: "" });
    expect(answer.case === "listServicesResponse" && answer.value.service.map((one) => one.name)).toEqual([
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
      "stint.v1.Ledger",
      "stint.v1.Steps",
    ]);
  });

  const stepsFiles = [
    "stint/v1/steps.proto",
    "google/protobuf/duration.proto",
    "google/protobuf/timestamp.proto",
    "stint/v1/credentials.proto",
    "stint/v1/types.proto",
  ];
  test.for([
    { what: "a service with its imports", symbol: "stint.v1.Steps", files: stepsFiles },
    { what: "a method", symbol: "stint.v1.Steps.Open", files: stepsFiles },
    { what: "a message", symbol: "stint.v1.OpenRequest", files: stepsFiles },
    { what: "a field", symbol: "stint.v1.OpenRequest.run_id", files: stepsFiles },
    {
      what: "a nested message",
      symbol: "stint.v1.Executor.Self",
      files: ["stint/v1/types.proto", ...stepsFiles.slice(1, 3)],
    },
    { what: "an enum", symbol: "stint.v1.Outcome", files: stepsFiles },
    { what: "a well-known type", symbol: "google.protobuf.Timestamp", files: ["google/protobuf/timestamp.proto"] },
    { what: "itself", symbol: "grpc.reflection.v1.ErrorResponse", files: ["grpc/reflection/v1/reflection.proto"] },
    { what: "nothing it does not serve", symbol: "stint.v1.History", files: 5 },
  ])("finds $what", async ({ symbol, files }) => {
    const { channel } = await servingReflection();
    const answer = filesOf(await ask(channel, "v1", { case: "fileContainingSymbol", value: symbol }));
    expect(typeof answer === "number" ? answer : [answer[0], ...answer.slice(1).toSorted()]).toEqual(files);
  });

  test.for([
    { file: "google/protobuf/duration.proto", answered: ["google/protobuf/duration.proto"] },
    { file: "../../etc/passwd", answered: 5 },
  ])("answers for the file $file", async ({ file, answered }) => {
    const { channel } = await servingReflection();
    expect(filesOf(await ask(channel, "v1", { case: "fileByFilename", value: file }))).toEqual(answered);
  });

  test("answers a request that it does not know with an error, and the stream goes on", async () => {
    const { channel } = await servingReflection();
    expect(filesOf(await ask(channel, "v1", { case: undefined }))).toBe(3);
  });
});
