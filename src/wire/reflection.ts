import { type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { type Server, type ServerDuplexStream, status } from "@grpc/grpc-js";
import { type ReflectionRequest, type ReflectionResponse, reflectionContracts } from "./reflection-contract.ts";
import { addService, type Received, receivedMessage } from "./service-definition.ts";
import { serviceErrorOf } from "./service-error.ts";

type Answer = ReflectionResponse["messageResponse"];

/**
 * Serves server reflection, v1 and v1alpha, of these services and of itself, so that grpcurl and `buf curl` work without
 * our proto files.
 */
export function addReflection(server: Server, services: readonly DescService[]): void {
  const versions = reflectionContracts();
  const catalog = catalogOf([...services, ...versions]);
  for (const version of versions) {
    addService(server, version, { serverReflectionInfo: (call: ReflectionCall) => reflect(call, catalog) });
  }
}

type ReflectionCall = ServerDuplexStream<Received<ReflectionRequest>, ReflectionResponse>;

function reflect(call: ReflectionCall, catalog: Catalog): void {
  call.on("data", (received: Received<ReflectionRequest>) => {
    try {
      const originalRequest = receivedMessage(received);
      const messageResponse = answer(originalRequest.messageRequest, catalog);
      call.write({ validHost: originalRequest.host, originalRequest, messageResponse });
    } catch (thrown) {
      call.emit("error", serviceErrorOf(thrown));
    }
  });
  call.on("end", () => call.end());
}

type Catalog = {
  readonly services: readonly string[];
  readonly fileByName: ReadonlyMap<string, DescFile>;
  readonly fileBySymbol: ReadonlyMap<string, DescFile>;
};

function answer(asked: ReflectionRequest["messageRequest"], catalog: Catalog): Answer {
  switch (asked.case) {
    case "listServices":
      return { case: "listServicesResponse", value: { service: catalog.services.map((name) => ({ name })) } };
    case "fileByFilename":
      return fileAnswer(catalog.fileByName.get(asked.value), "no such file");
    case "fileContainingSymbol":
      return fileAnswer(catalog.fileBySymbol.get(asked.value.replace(/^\./, "")), "no such symbol");
    case "fileContainingExtension":
    case "allExtensionNumbersOfType":
      return refusal(status.NOT_FOUND, "nothing here is extended");
    case undefined:
      return refusal(status.INVALID_ARGUMENT, "a kind of request that is not served");
  }
}

/** The file with all that it imports, imports first, so that a client needs no second question. */
function fileAnswer(file: DescFile | undefined, absent: string): Answer {
  if (file === undefined) return refusal(status.NOT_FOUND, absent);
  const ordered = [file, ...[...withImports([file])].filter((one) => one !== file)];
  return {
    case: "fileDescriptorResponse",
    value: { fileDescriptorProto: ordered.map((one) => toBinary(FileDescriptorProtoSchema, one.proto)) },
  };
}

function refusal(errorCode: status, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}

function catalogOf(services: readonly DescService[]): Catalog {
  const files = withImports(services.map((service) => service.file));
  return {
    services: services.map((service) => service.typeName).toSorted(),
    fileByName: new Map([...files].map((file) => [file.proto.name, file])),
    fileBySymbol: new Map([...files].flatMap((file) => symbolsOf(file).map((symbol) => [symbol, file] as const))),
  };
}

function withImports(files: Iterable<DescFile>, found = new Set<DescFile>()): Set<DescFile> {
  for (const file of files) {
    if (found.has(file)) continue;
    found.add(file);
    withImports(file.dependencies, found);
  }
  return found;
}

function symbolsOf(file: DescFile): readonly string[] {
  const messages = file.messages.flatMap(function nested(message): (typeof message)[] {
    return [message, ...message.nestedMessages.flatMap(nested)];
  });
  const enums = [...file.enums, ...messages.flatMap((message) => message.nestedEnums)];
  return [
    ...file.services.flatMap((service) => [
      service.typeName,
      ...service.methods.map((method) => `${service.typeName}.${method.name}`),
    ]),
    ...messages.flatMap((message) => [
      message.typeName,
      ...message.fields.map((field) => `${message.typeName}.${field.name}`),
    ]),
    ...enums.map((one) => one.typeName),
  ];
}
