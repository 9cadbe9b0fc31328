// #region verify
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import java.net.URI;
import java.util.Set;

final class NimbusVerifier {
  /** Its `process(token, null)` gives the claims of a step's JWT-SVID for this server, and throws for anything else. */
  static DefaultJWTProcessor<SecurityContext> of(String issuer, String resource) throws Exception {
    JWKSource<SecurityContext> keys =
        // A withdrawn key is believed for a minute.
        JWKSourceBuilder.create(URI.create(issuer + "/jwks.json").toURL()).cache(60_000, 15_000).build();
    DefaultJWTClaimsVerifier<SecurityContext> claims =
        new DefaultJWTClaimsVerifier<>(
            Set.of(resource), // without it, a token for any server is taken
            new JWTClaimsSet.Builder().issuer(issuer).build(),
            Set.of("sub", "exp", "iat", "nbf", "jti"),
            Set.of("cnf")); // bound to a key whose possession is not checked here
    claims.setMaxClockSkew(5); // the default is a minute
    DefaultJWTProcessor<SecurityContext> processor = new DefaultJWTProcessor<>();
    processor.setJWSKeySelector(new JWSVerificationKeySelector<>(JWSAlgorithm.ES256, keys));
    processor.setJWTClaimsSetVerifier(claims);
    return processor;
  }
}
// #endregion
