import { constants } from "node:crypto";
import type { SecureContextOptions, Server } from "node:tls";
import type { Cancel } from "../../ports/clock.ts";
import { readTlsFiles, type TlsFiles } from "./tls-files.ts";

/** A server's own X.509-SVID, replaced as it is renewed. */
export type SvidSource = {
  /** PEM, leaf first. `undefined` while there is none: handshakes fail then. */
  material(): { readonly certificateChain: string; readonly privateKey: string } | undefined;
  /** Calls when the SVID has changed. Connections that are open stay. */
  onChange(changed: () => void): Cancel;
};

/** The CAs whose certificates clients are asked for. */
export type ClientAuthorities = {
  /** CA certificates, PEM. */
  current(): readonly string[];
  onChange(changed: () => void): Cancel;
};

/** What a TLS listener shows and asks for, as it is now. */
export type TlsContext = {
  current(): SecureContextOptions;
  readonly onChange: readonly SvidSource["onChange"][];
};

/**
 * @throws BrokerError NOT_SERVING when files can't be used
 */
export async function tlsContextOf(
  tls: TlsFiles | SvidSource,
  clients: ClientAuthorities | undefined,
): Promise<TlsContext> {
  const isSource = "material" in tls;
  const own = isSource ? () => shownBy(tls) : fixed(await readTlsFiles(tls));
  return {
    current: () => ({
      ...own(),
      minVersion: "TLSv1.2",
      // A resumed session would skip the look at the client's certificate.
      secureOptions: constants.SSL_OP_NO_TICKET,
      // Never the system's CAs: whom they certify is nobody here.
      ca: [...(clients?.current() ?? [])],
    }),
    onChange: [...(isSource ? [tls.onChange] : []), ...(clients === undefined ? [] : [clients.onChange])],
  };
}

/** Gives a listener each new context, for the handshakes from then on. `onError` is told of one that can't be used. */
export function followContext(
  server: Pick<Server, "setSecureContext">,
  context: TlsContext,
  onError: (thrown: unknown) => void,
): Cancel {
  const renew = (): void => {
    try {
      server.setSecureContext(context.current());
    } catch (thrown) {
      onError(thrown);
    }
  };
  const ends = context.onChange.map((onChange) => onChange(renew));
  return () => {
    for (const end of ends) end();
  };
}

function shownBy(source: SvidSource): SecureContextOptions {
  const material = source.material();
  return material === undefined ? {} : { cert: material.certificateChain, key: material.privateKey };
}

function fixed<Value>(value: Value): () => Value {
  return () => value;
}
