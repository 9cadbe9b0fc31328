import { type DeclaredExchange, exchangeSchema } from "./exchange-schema.ts";
import { list } from "./fields.ts";

/** Another system whose secrets steps may be given, as the configuration names it. Files by their paths. */
export type ExchangeConfig = {
  readonly name: string;
  readonly audience: string;
  /** Names of agents; absent: all whose entries have the audience among their exchange audiences. */
  readonly agents?: readonly string[];
  readonly ttlSecondsMax: number;
  /** PEM. */
  readonly ca?: string;
} & KindConfig;

type KindConfig = OpenBaoConfig | PostgresConfig | OAuthConfig | AwsStsConfig | GcpFederationConfig;

type OpenBaoConfig = {
  readonly kind: "openbao";
  /** Origin: https, or http with a loopback address. */
  readonly url: string;
  readonly mount: string;
  /** A template, as `path` is. */
  readonly role: string;
  readonly path?: string;
  readonly tokenFile: string;
};

type PostgresConfig = {
  readonly kind: "postgres";
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly passwordFile: string;
  /** A template. */
  readonly role: string;
  readonly connectionsMax: number;
  /** Without TLS, to a loopback address. */
  readonly isPlain: boolean;
};

export type OAuthConfig = {
  readonly kind: "token-exchange" | "jwt-bearer";
  readonly tokenUrl: string;
  readonly revocationUrl?: string;
  readonly clientId?: string;
  readonly clientSecretFile?: string;
  /** A template. */
  readonly scope?: string;
  readonly resource?: string;
  readonly tokenAudience?: string;
};

type AwsStsConfig = {
  readonly kind: "aws-sts";
  readonly url: string;
  /** A template. */
  readonly roleArn: string;
};

type GcpFederationConfig = {
  readonly kind: "gcp-federation";
  readonly stsUrl: string;
  readonly credentialsUrl: string;
  readonly provider: string;
  /** A template. */
  readonly serviceAccount: string;
  readonly scopes: readonly string[];
};

export const exchangesSection = list(exchangeSchema, "exchanges").superRefine((exchanges, context) => {
  const names = new Set<string>();
  for (const [index, { name }] of exchanges.entries()) {
    if (names.has(name)) {
      const message = "expected a name that no other exchange has";
      context.addIssue({ code: "custom", path: [index, "name"], message });
    }
    names.add(name);
  }
});

/** What the file says, in the words of the broker. */
export function exchangeOf(declared: DeclaredExchange): ExchangeConfig {
  const { name, audience, agents, ttl_max: ttlSecondsMax, ca } = declared;
  return {
    ...{ name, audience, ttlSecondsMax },
    ...(agents === undefined ? {} : { agents }),
    ...(ca === undefined ? {} : { ca }),
    ...ofKind(declared),
  };
}

function ofKind(declared: DeclaredExchange): KindConfig {
  switch (declared.kind) {
    case "openbao": {
      const { kind, url, mount, role, path, token_file: tokenFile } = declared;
      return { kind, url, mount, role, tokenFile, ...(path === undefined ? {} : { path }) };
    }
    case "postgres": {
      const { kind, host, port, database, user, role } = declared;
      return {
        ...{ kind, host, port, database, user, role },
        passwordFile: declared.password_file,
        connectionsMax: declared.connections_max,
        isPlain: declared.plain_on_loopback,
      };
    }
    case "token-exchange": {
      const { token_audience: tokenAudience } = declared;
      return { kind: declared.kind, ...ofOAuth(declared), ...(tokenAudience === undefined ? {} : { tokenAudience }) };
    }
    case "jwt-bearer":
      return { kind: declared.kind, ...ofOAuth(declared) };
    case "aws-sts":
      return { kind: declared.kind, url: declared.url, roleArn: declared.role_arn };
    case "gcp-federation": {
      const { kind, provider, scopes } = declared;
      return {
        ...{ kind, provider, scopes },
        stsUrl: declared.sts_url,
        credentialsUrl: declared.credentials_url,
        serviceAccount: declared.service_account,
      };
    }
  }
}

function ofOAuth(
  declared: Extract<DeclaredExchange, { kind: OAuthConfig["kind"] }>,
): Omit<OAuthConfig, "kind" | "tokenAudience"> {
  const { token_url: tokenUrl, revocation_url: revocationUrl, client_id: clientId, scope, resource } = declared;
  const { client_secret_file: clientSecretFile } = declared;
  return {
    tokenUrl,
    ...(revocationUrl === undefined ? {} : { revocationUrl }),
    ...(clientId === undefined ? {} : { clientId }),
    ...(clientSecretFile === undefined ? {} : { clientSecretFile }),
    ...(scope === undefined ? {} : { scope }),
    ...(resource === undefined ? {} : { resource }),
  };
}
