import {
  type Authenticator,
  credsAuthenticator,
  nkeyAuthenticator,
  usernamePasswordAuthenticator,
} from "@nats-io/transport-node";

/** Who logs in, as its files say it. */
export type NatsLogin =
  /** A user's JWT and its seed, as `nsc` writes them. */
  | { readonly kind: "credentials"; readonly text: string }
  /** The seed of an NKey. */
  | { readonly kind: "nkey"; readonly seed: string }
  | { readonly kind: "password"; readonly user: string; readonly password: string };

/** By what NATS servers and the broker recognise each other. */
export type NatsCredentials = {
  /** CA certificates, PEM; absent: those that Node.js has. */
  readonly ca?: string;
  readonly client?: { readonly cert: string; readonly key: string };
  readonly login?: NatsLogin;
};

/** @param login - asked for with each connection, so that what its files say by then counts. */
export function authenticatorOf(login: () => NatsLogin | undefined): Authenticator {
  return (nonce) => {
    const now = login();
    switch (now?.kind) {
      case "credentials":
        return credsAuthenticator(Buffer.from(now.text))(nonce);
      case "nkey":
        return nkeyAuthenticator(Buffer.from(now.seed))(nonce);
      case "password":
        return usernamePasswordAuthenticator(now.user, now.password)(nonce);
      case undefined:
        return undefined;
    }
  };
}
