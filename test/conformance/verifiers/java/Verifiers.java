import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import io.jsonwebtoken.JwtParser;
import io.jsonwebtoken.JwtParserBuilder;
import io.jsonwebtoken.Jwts;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Set;

/** Judges tokens with one of several libraries, as the guide says or by its defaults; run by java-verifiers.test.ts. */
public final class Verifiers {
  private interface Judge {
    /** The subject of a token that is taken. */
    String judge(String token) throws Exception;
  }

  public static void main(String[] args) throws Exception {
    String mode = System.getenv("MODE");
    String issuer = System.getenv("ISSUER");
    String resource = System.getenv("RESOURCE");
    if (args[0].equals("spring")) {
      SpringServer.serve(mode, resource, args[1]);
      return;
    }
    Judge judge = args[0].equals("nimbus") ? nimbus(mode, issuer, resource) : jjwt(mode, issuer, resource);
    System.out.println("ready");
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String token = lines.readLine(); token != null; token = lines.readLine()) {
      try {
        System.out.println("taken " + judge.judge(token));
      } catch (Exception refused) {
        System.out.println("refused " + refused.getClass().getSimpleName());
      }
    }
    System.exit(0);
  }

  private static Judge nimbus(String mode, String issuer, String resource) throws Exception {
    DefaultJWTProcessor<SecurityContext> processor;
    if (mode.equals("guide")) {
      processor = NimbusVerifier.of(issuer, resource);
    } else {
      processor = new DefaultJWTProcessor<>();
      processor.setJWSKeySelector(
          new JWSVerificationKeySelector<>(
              JWSAlgorithm.ES256, JWKSourceBuilder.create(URI.create(issuer + "/jwks.json").toURL()).build()));
      String audience = mode.equals("defaults") ? resource : null;
      JWTClaimsSet exact = new JWTClaimsSet.Builder().issuer(issuer).build();
      processor.setJWTClaimsSetVerifier(new DefaultJWTClaimsVerifier<>(audience, exact, Set.of()));
    }
    return token -> processor.process(token, null).getSubject();
  }

  private static Judge jjwt(String mode, String issuer, String resource) {
    if (mode.equals("guide")) {
      JwtParser parser = JjwtVerifier.of(issuer, resource);
      return token -> JjwtVerifier.stepOf(parser, token).getSubject();
    }
    JwtParserBuilder builder = Jwts.parser().keyLocator(new JjwtVerifier.Keys(issuer)).requireIssuer(issuer);
    if (mode.equals("defaults")) builder.requireAudience(resource);
    JwtParser parser = builder.build();
    return token -> parser.parseSignedClaims(token).getPayload().getSubject();
  }
}
