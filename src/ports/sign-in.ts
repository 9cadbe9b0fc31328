/** What has to be kept while somebody signs in at the provider: it tells the provider's answer from any other. */
export type SignInAttempt = {
  readonly state: string;
  readonly nonce: string;
  readonly codeVerifier: string;
  readonly redirectUri: string;
};

/**
 * Lets people sign in at an OpenID provider, by the authorization code flow with PKCE.
 *
 * @see OpenID Connect Core 1.0 section 3.1, RFC 7636, RFC 9700
 */
export type SignIn = {
  /**
   * @returns where the browser is sent, and what is to be kept until it is back.
   * @throws BrokerError NO_IDENTITY when the provider can't be asked; `detail` says why, for the log alone
   */
  begin(redirectUri: string): Promise<{ readonly url: string; readonly attempt: SignInAttempt }>;
  /**
   * Trades the answer for an ID token. An attempt is used once.
   *
   * @param answer - the query with which the browser came back.
   * @returns the ID token, compact: its nonce, audience and times fit; its signature is for whoever takes it as evidence to check.
   * @throws BrokerError NO_IDENTITY
   */
  finish(answer: URLSearchParams, attempt: SignInAttempt): Promise<string>;
};
