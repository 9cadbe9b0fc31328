import {
  type Channel,
  Client,
  credentials,
  type Metadata,
  type ServerDuplexStream,
  type StatusObject,
} from "@grpc/grpc-js";
import type { NodeReport } from "../domain/node-report.ts";
import { encodeNodeReport, NODE_CALLER_KEY } from "../wire/node-message.ts";

/** A call as it comes in, in bytes. */
export type Incoming = ServerDuplexStream<Buffer, Buffer>;

/** A call on its way to the broker, in bytes. */
export type Outgoing = ReturnType<typeof openOutgoing>;

/** Set anew for each hop. */
const OF_THIS_HOP = ["content-type", "grpc-encoding", "grpc-accept-encoding", "te", "user-agent", "date"] as const;
const asItIs = (bytes: Buffer): Buffer => bytes;

/** Who calls is said here, and by nobody else: what a caller says of itself is left out. */
export function metadataFor(call: Incoming, report: NodeReport): Metadata {
  const metadata = call.metadata.clone();
  for (const name of OF_THIS_HOP) metadata.remove(name);
  metadata.set(NODE_CALLER_KEY, encodeNodeReport(report));
  return metadata;
}

const clients = new WeakMap<Channel, Client>();

export function openOutgoing(channel: Channel, path: string, metadata: Metadata, deadline: Incoming["getDeadline"]) {
  const wire = clients.get(channel) ?? new Client("", credentials.createInsecure(), { channelOverride: channel });
  clients.set(channel, wire);
  return wire.makeBidiStreamRequest(path, asItIs, asItIs, metadata, { deadline: deadline() });
}

/** Calls when the caller has gone, also where that was before. */
export function whenGone(call: Incoming, gone: () => void): void {
  if (call.cancelled) gone();
  else call.once("cancelled", gone);
}

/**
 * Sends a call on, both ways, no faster than either end reads.
 *
 * @param first - the message that came already.
 */
export function pipeOn(call: Incoming, outgoing: Outgoing, first: Buffer): void {
  let status: StatusObject | undefined;
  let isRead = false;
  let isOver = false;

  call.on("data", (message: Buffer) => {
    if (outgoing.write(message)) return;
    call.pause();
    outgoing.once("drain", () => call.resume());
  });
  call.once("end", () => outgoing.end());
  outgoing.write(first);

  outgoing.on("metadata", (metadata: Metadata) => {
    if (!isOver) call.sendMetadata(ownPart(metadata));
  });
  outgoing.on("data", (message: Buffer) => {
    if (isOver || call.write(message)) return;
    outgoing.pause();
    call.once("drain", () => outgoing.resume());
  });
  // The status tells.
  outgoing.on("error", () => undefined);
  outgoing.once("status", (told: StatusObject) => {
    status = told;
    answer();
  });
  outgoing.once("end", () => {
    isRead = true;
    answer();
  });

  whenGone(call, () => {
    isOver = true;
    outgoing.cancel();
  });

  /** What was sent before the end is written before it is told. */
  function answer(): void {
    if (isOver || status === undefined || !isRead) return;
    isOver = true;
    if (status.code === 0) call.end(ownPart(status.metadata));
    else call.emit("error", errorOf(status));
  }
}

/** The broker's refusal, as the broker gave it. */
export function errorOf({ code, details, metadata }: StatusObject): Error {
  return Object.assign(new Error(details), { code, details, metadata: ownPart(metadata) });
}

function ownPart(metadata: Metadata): Metadata {
  const own = metadata.clone();
  for (const name of OF_THIS_HOP) own.remove(name);
  return own;
}
