import { create, createFileRegistry, type DescService } from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";

const PACKAGE = "grpc.health.v1";

/** `HealthCheckResponse.ServingStatus`. */
export const SERVING_STATUS = { unknown: 0, serving: 1, notServing: 2, serviceUnknown: 3 } as const;
export type ServingStatus = (typeof SERVING_STATUS)[keyof typeof SERVING_STATUS];

export type HealthCheckRequest = { readonly service: string };
export type HealthCheckResponse = { readonly status: ServingStatus };
export type HealthListResponse = { readonly statuses: Readonly<Record<string, HealthCheckResponse>> };

/**
 * The published contract of health checking, said here rather than read from its file: it has four messages, and whatever
 * reads `.proto` files is more code than all that serves it.
 *
 * @see https://github.com/grpc/grpc-proto/blob/master/grpc/health/v1/health.proto
 */
export function healthContract(): DescService {
  const optional = { number: 1, label: Label.OPTIONAL };
  const statuses = { name: "statuses", jsonName: "statuses", number: 1, label: Label.REPEATED, type: Type.MESSAGE };
  const method = (name: string, input: string, output: string, serverStreaming = false) => ({
    ...{ name, inputType: `.${PACKAGE}.${input}`, outputType: `.${PACKAGE}.${output}`, serverStreaming },
  });
  const file = create(FileDescriptorProtoSchema, {
    name: "grpc/health/v1/health.proto",
    package: PACKAGE,
    syntax: "proto3",
    messageType: [
      { name: "HealthListRequest" },
      {
        name: "HealthListResponse",
        field: [{ ...statuses, typeName: `.${PACKAGE}.HealthListResponse.StatusesEntry` }],
        nestedType: [
          {
            name: "StatusesEntry",
            options: { mapEntry: true },
            field: [
              { ...optional, name: "key", jsonName: "key", type: Type.STRING },
              {
                ...{ name: "value", jsonName: "value", number: 2, label: Label.OPTIONAL, type: Type.MESSAGE },
                typeName: `.${PACKAGE}.HealthCheckResponse`,
              },
            ],
          },
        ],
      },
      { name: "HealthCheckRequest", field: [{ ...optional, name: "service", jsonName: "service", type: Type.STRING }] },
      {
        name: "HealthCheckResponse",
        field: [
          {
            ...{ ...optional, name: "status", jsonName: "status", type: Type.ENUM },
            typeName: `.${PACKAGE}.HealthCheckResponse.ServingStatus`,
          },
        ],
        enumType: [
          {
            name: "ServingStatus",
            value: [
              { name: "UNKNOWN", number: SERVING_STATUS.unknown },
              { name: "SERVING", number: SERVING_STATUS.serving },
              { name: "NOT_SERVING", number: SERVING_STATUS.notServing },
              { name: "SERVICE_UNKNOWN", number: SERVING_STATUS.serviceUnknown },
            ],
          },
        ],
      },
    ],
    service: [
      {
        name: "Health",
        method: [
          method("Check", "HealthCheckRequest", "HealthCheckResponse"),
          method("List", "HealthListRequest", "HealthListResponse"),
          method("Watch", "HealthCheckRequest", "HealthCheckResponse", true),
        ],
      },
    ],
  });
  const service = createFileRegistry(file, () => undefined).getService(`${PACKAGE}.Health`);
  if (service === undefined) throw new Error(`${PACKAGE} has no service`);
  return service;
}
