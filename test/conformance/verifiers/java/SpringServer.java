import java.io.PrintStream;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RestController;

/** A resource server of Spring Boot that says who is calling. */
@EnableAutoConfiguration
public class SpringServer {
  @RestController
  static class Me {
    @PostMapping("/mcp")
    String me(@AuthenticationPrincipal Jwt step) {
      return step.getSubject();
    }
  }

  /** @param paths the configuration file. */
  static void serve(String mode, String resource, String... paths) throws Exception {
    PrintStream out = System.out;
    // What Spring logs is no answer.
    System.setOut(System.err);
    List<Class<?>> sources = new ArrayList<>(List.of(SpringServer.class, Me.class));
    if (mode.equals("guide")) sources.add(StepTokens.class);
    List<String> settings = new ArrayList<>();
    settings.add("--spring.config.location=file:" + paths[0]);
    settings.add("--server.address=127.0.0.1");
    settings.add("--server.port=" + URI.create(resource).getPort());
    if (mode.equals("no audience")) settings.add("--spring.security.oauth2.resourceserver.jwt.audiences=");
    SpringApplication.run(sources.toArray(new Class<?>[0]), settings.toArray(new String[0]));
    out.println("ready");
    while (System.in.read() >= 0) {}
    System.exit(0);
  }
}
