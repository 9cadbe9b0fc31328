// #region verify
import java.time.Duration;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.security.oauth2.core.OAuth2Error;
import org.springframework.security.oauth2.core.OAuth2TokenValidator;
import org.springframework.security.oauth2.core.OAuth2TokenValidatorResult;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.security.oauth2.jwt.JwtTimestampValidator;

/** Asked beside Spring's own validators, which take a token for a minute after `exp`. */
@Configuration(proxyBeanMethods = false)
class StepTokens {
  @Bean
  OAuth2TokenValidator<Jwt> timestamps() {
    return new JwtTimestampValidator(Duration.ofSeconds(5));
  }

  @Bean
  OAuth2TokenValidator<Jwt> unbound() {
    OAuth2Error bound = new OAuth2Error("invalid_token", "bound to a key whose possession is not checked here", null);
    return token ->
        token.hasClaim("cnf") ? OAuth2TokenValidatorResult.failure(bound) : OAuth2TokenValidatorResult.success();
  }
}
// #endregion
