/** What the tests use of it; the package brings no types. */
declare module "oidc-provider" {
  import type { RequestListener } from "node:http";

  type GrantContext = {
    readonly oidc: { readonly client: object; readonly params: Readonly<Record<string, unknown>> };
    status: number;
    body: unknown;
  };

  export class Provider {
    constructor(issuer: string, configuration: Readonly<Record<string, unknown>>);
    callback(): RequestListener;
    registerGrantType(
      name: string,
      handler: (context: GrantContext) => Promise<void>,
      parameters: readonly string[],
    ): void;
    readonly ClientCredentials: new (
      claims: object,
    ) => { save(): Promise<string> };
  }
}
