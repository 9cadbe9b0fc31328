// #region verify
import io.jsonwebtoken.Claims;
import io.jsonwebtoken.Header;
import io.jsonwebtoken.JwtParser;
import io.jsonwebtoken.Jwts;
import io.jsonwebtoken.Locator;
import io.jsonwebtoken.UnsupportedJwtException;
import io.jsonwebtoken.security.Jwk;
import io.jsonwebtoken.security.JwkSet;
import io.jsonwebtoken.security.Jwks;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.security.Key;
import java.time.Duration;

final class JjwtVerifier {
  /** The broker's keys, which the library does not fetch. A withdrawn one is believed for a minute, a new one met within ten seconds. */
  static final class Keys implements Locator<Key> {
    private final URI uri;
    private JwkSet known;
    private long fetchedNanos;

    Keys(String issuer) {
      uri = URI.create(issuer + "/jwks.json");
    }

    @Override
    public synchronized Key locate(Header header) {
      if (known == null || isOlderThan(Duration.ofMinutes(1))) fetch();
      Key key = find(header.get("kid"));
      if (key != null || !isOlderThan(Duration.ofSeconds(10))) return key;
      fetch();
      return find(header.get("kid"));
    }

    private boolean isOlderThan(Duration age) {
      return System.nanoTime() - fetchedNanos > age.toNanos();
    }

    private Key find(Object kid) {
      for (Jwk<?> key : known) if (key.getId().equals(kid)) return key.toKey();
      return null;
    }

    private void fetch() {
      try (InputStream served = uri.toURL().openStream()) {
        known = Jwks.setParser().build().parse(served);
        fetchedNanos = System.nanoTime();
      } catch (IOException unreachable) {
        throw new UncheckedIOException(unreachable);
      }
    }
  }

  static JwtParser of(String issuer, String resource) {
    return Jwts.parser()
        .keyLocator(new Keys(issuer))
        .sig()
        .clear()
        .add(Jwts.SIG.ES256)
        .and()
        .requireIssuer(issuer)
        .requireAudience(resource) // without it, a token for any server is taken
        .clockSkewSeconds(5)
        .build();
  }

  /** The claims of a step's JWT-SVID for this server; a JwtException for anything else. */
  static Claims stepOf(JwtParser parser, String token) {
    Claims claims = parser.parseSignedClaims(token).getPayload();
    if (claims.getExpiration() == null) throw new UnsupportedJwtException("no exp");
    if (claims.containsKey("cnf")) {
      throw new UnsupportedJwtException("bound to a key whose possession is not checked here");
    }
    return claims;
  }
}
// #endregion
