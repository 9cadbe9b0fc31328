import { create, createFileRegistry, type DescService } from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";

/** What a client asks of the reflection service, by the case of its request. */
export type ReflectionRequest = {
  readonly host: string;
  readonly messageRequest:
    | {
        readonly case: "fileByFilename" | "fileContainingSymbol" | "allExtensionNumbersOfType" | "listServices";
        readonly value: string;
      }
    | { readonly case: "fileContainingExtension"; readonly value: unknown }
    | { readonly case: undefined; readonly value?: undefined };
};

export type ReflectionResponse = {
  readonly validHost: string;
  readonly originalRequest: ReflectionRequest;
  readonly messageResponse:
    | { readonly case: "fileDescriptorResponse"; readonly value: { readonly fileDescriptorProto: Uint8Array[] } }
    | {
        readonly case: "listServicesResponse";
        readonly value: { readonly service: { readonly name: string }[] };
      }
    | {
        readonly case: "errorResponse";
        readonly value: { readonly errorCode: number; readonly errorMessage: string };
      };
};

type Field = readonly [
  number: number,
  name: string,
  type: "string" | "int32" | "bytes" | (string & {}),
  in_?: "oneof" | "repeated",
];

const SCALARS: Readonly<Record<string, Type>> = { string: Type.STRING, int32: Type.INT32, bytes: Type.BYTES };

/** Messages of the published contract: a field's number, name, type, and whether it is repeated or one of the oneof. */
const MESSAGES: Readonly<Record<string, { readonly oneof?: string; readonly fields: readonly Field[] }>> = {
  ServerReflectionRequest: {
    oneof: "message_request",
    fields: [
      [1, "host", "string"],
      [3, "file_by_filename", "string", "oneof"],
      [4, "file_containing_symbol", "string", "oneof"],
      [5, "file_containing_extension", "ExtensionRequest", "oneof"],
      [6, "all_extension_numbers_of_type", "string", "oneof"],
      [7, "list_services", "string", "oneof"],
    ],
  },
  ExtensionRequest: {
    fields: [
      [1, "containing_type", "string"],
      [2, "extension_number", "int32"],
    ],
  },
  ServerReflectionResponse: {
    oneof: "message_response",
    fields: [
      [1, "valid_host", "string"],
      [2, "original_request", "ServerReflectionRequest"],
      [4, "file_descriptor_response", "FileDescriptorResponse", "oneof"],
      [5, "all_extension_numbers_response", "ExtensionNumberResponse", "oneof"],
      [6, "list_services_response", "ListServiceResponse", "oneof"],
      [7, "error_response", "ErrorResponse", "oneof"],
    ],
  },
  FileDescriptorResponse: { fields: [[1, "file_descriptor_proto", "bytes", "repeated"]] },
  ExtensionNumberResponse: {
    fields: [
      [1, "base_type_name", "string"],
      [2, "extension_number", "int32", "repeated"],
    ],
  },
  ListServiceResponse: { fields: [[1, "service", "ServiceResponse", "repeated"]] },
  ServiceResponse: { fields: [[1, "name", "string"]] },
  ErrorResponse: {
    fields: [
      [1, "error_code", "int32"],
      [2, "error_message", "string"],
    ],
  },
};

/** The published contract of server reflection; both versions are the same but for their package. */
export function reflectionContract(version: "v1" | "v1alpha"): DescService {
  const packageName = `grpc.reflection.${version}`;
  const file = create(FileDescriptorProtoSchema, {
    name: `grpc/reflection/${version}/reflection.proto`,
    package: packageName,
    syntax: "proto3",
    messageType: Object.entries(MESSAGES).map(([name, message]) => ({
      name,
      field: message.fields.map((field) => fieldOf(packageName, field)),
      oneofDecl: message.oneof === undefined ? [] : [{ name: message.oneof }],
    })),
    service: [
      {
        name: "ServerReflection",
        method: [
          {
            name: "ServerReflectionInfo",
            inputType: `.${packageName}.ServerReflectionRequest`,
            outputType: `.${packageName}.ServerReflectionResponse`,
            clientStreaming: true,
            serverStreaming: true,
          },
        ],
      },
    ],
  });
  const service = createFileRegistry(file, () => undefined).getService(`${packageName}.ServerReflection`);
  if (service === undefined) throw new Error(`${packageName} has no service`);
  return service;
}

function fieldOf(packageName: string, [number, name, type, in_]: Field) {
  const scalar = SCALARS[type];
  return {
    number,
    name,
    jsonName: name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
    label: in_ === "repeated" ? Label.REPEATED : Label.OPTIONAL,
    type: scalar ?? Type.MESSAGE,
    ...(scalar === undefined ? { typeName: `.${packageName}.${type}` } : {}),
    ...(in_ === "oneof" ? { oneofIndex: 0 } : {}),
  };
}

/** Of both versions that clients ask by. */
export function reflectionContracts(): readonly DescService[] {
  return [reflectionContract("v1"), reflectionContract("v1alpha")];
}
