import { create, type DescMethodServerStreaming, type DescMethodStreaming, toBinary } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { createConnectTransport } from "@connectrpc/connect-web";

/**
 * The transport for methods that are sent several messages, too: browsers send no body bit by bit, so that all messages are gathered
 * first, and go as one body. The Connect protocol does not tell the difference.
 *
 * @param transport - for all other methods.
 */
export function uploading(transport: Transport, baseUrl: string): Transport {
  const stream: Transport["stream"] = async (method, signal, timeoutMs, header, input, contextValues) => {
    if (method.methodKind === "server_streaming") {
      return transport.stream(method, signal, timeoutMs, header, input, contextValues);
    }
    const messages = await Array.fromAsync(input, (init) => create(method.input, init));
    const envelopes = messages.map((message) => encodeEnvelope(0, toBinary(method.input, message)));
    const body = new Blob(envelopes.map((bytes) => Uint8Array.from(bytes)));
    const once = createConnectTransport({
      baseUrl,
      useBinaryFormat: true,
      fetch: (url, init) => fetch(url, { ...init, body }),
    });
    const [first = create(method.input)] = messages;
    return once.stream(asAnswering(method), signal, timeoutMs, header, one(first), contextValues);
  };
  return { unary: (...args) => transport.unary(...args), stream };
}

/** The method as one whose request is a single message: only the request is told apart by it. */
function asAnswering<Method extends DescMethodStreaming>(method: Method) {
  return { ...method, methodKind: "server_streaming" } as unknown as DescMethodServerStreaming<
    Method["input"],
    Method["output"]
  >;
}

async function* one<Message>(message: Message): AsyncGenerator<Message, void, void> {
  yield message;
}
