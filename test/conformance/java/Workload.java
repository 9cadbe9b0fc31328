import com.google.gson.Gson;
import com.google.gson.JsonObject;
import io.grpc.Status;
import io.spiffe.spiffeid.SpiffeId;
import io.spiffe.svid.jwtsvid.JwtSvid;
import io.spiffe.svid.x509svid.X509Svid;
import io.spiffe.svid.x509svid.X509SvidValidator;
import io.spiffe.workloadapi.DefaultWorkloadApiClient;
import io.spiffe.workloadapi.DefaultX509Source;
import io.spiffe.workloadapi.Watcher;
import io.spiffe.workloadapi.WorkloadApiClient;
import io.spiffe.workloadapi.X509Context;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * A workload that uses java-spiffe. It is told what to do on standard input, one JSON object a line, and answers in kind; what the
 * broker tells it meanwhile it says as lines with an "event".
 */
public final class Workload {
  private static final Gson GSON = new Gson();

  private final WorkloadApiClient client;
  private DefaultX509Source kept;

  private Workload(WorkloadApiClient client) {
    this.client = client;
  }

  public static void main(String[] args) throws Exception {
    // The socket is found as the standard says, by SPIFFE_ENDPOINT_SOCKET.
    try (WorkloadApiClient client = DefaultWorkloadApiClient.newClient()) {
      Workload workload = new Workload(client);
      say(Map.of("event", "ready"));
      BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        JsonObject order = GSON.fromJson(line, JsonObject.class);
        int id = order.get("id").getAsInt();
        try {
          say(Map.of("id", id, "result", workload.follow(order)));
        } catch (Exception refused) {
          say(Map.of("id", id, "error", String.valueOf(refused), "code", codeOf(refused)));
        }
      }
    }
    System.exit(0);
  }

  private static synchronized void say(Map<String, ?> line) {
    System.out.println(GSON.toJson(line));
  }

  private static String codeOf(Throwable error) {
    return Status.fromThrowable(error).getCode().name();
  }

  private Object follow(JsonObject order) throws Exception {
    switch (order.get("command").getAsString()) {
      case "x509":
        return x509();
      case "jwt":
        return jwt(order);
      case "validate":
        return validate(order);
      case "watch":
        client.watchX509Context(new Told());
        return "watching";
      case "keep":
        return keep(order.get("hint").getAsString());
      case "kept":
        return own();
      default:
        throw new IllegalArgumentException("no such command: " + order);
    }
  }

  /** Every X.509-SVID that there is, each verified against the X.509 bundles. */
  private List<Map<String, Object>> x509() throws Exception {
    X509Context context = client.fetchX509Context();
    for (X509Svid svid : context.getX509Svids()) {
      X509SvidValidator.verifyChain(svid.getChain(), client.fetchX509Bundles());
      X509SvidValidator.verifySpiffeId(svid.getLeaf(), () -> Set.of(svid.getSpiffeId()));
    }
    return x509Of(context);
  }

  private static List<Map<String, Object>> x509Of(X509Context context) {
    return context.getX509Svids().stream().map(Workload::x509Of).collect(Collectors.toList());
  }

  private static Map<String, Object> x509Of(X509Svid svid) {
    String serial = svid.getLeaf().getSerialNumber().toString(16);
    long notAfter = svid.getLeaf().getNotAfter().toInstant().getEpochSecond();
    return Map.of("id", svid.getSpiffeId().toString(), "hint", svid.getHint(), "serial", serial, "not_after", notAfter);
  }

  /** Every JWT-SVID that there is for the audience, each verified against the JWT bundles. */
  private List<Map<String, Object>> jwt(JsonObject order) throws Exception {
    String[] audience = GSON.fromJson(order.get("audience"), String[].class);
    String[] others = Arrays.copyOfRange(audience, 1, audience.length);
    List<JwtSvid> svids =
        order.has("spiffe_id")
            ? client.fetchJwtSvids(SpiffeId.parse(order.get("spiffe_id").getAsString()), audience[0], others)
            : client.fetchJwtSvids(audience[0], others);
    for (JwtSvid svid : svids) {
      JwtSvid.parseAndValidate(svid.getToken(), client.fetchJwtBundles(), Set.of(audience));
    }
    return svids.stream()
        .map(
            svid ->
                Map.<String, Object>of(
                    "id", svid.getSpiffeId().toString(), "hint", svid.getHint(), "token", svid.getToken()))
        .collect(Collectors.toList());
  }

  private Map<String, String> validate(JsonObject order) throws Exception {
    String[] audience = GSON.fromJson(order.get("audience"), String[].class);
    JwtSvid svid = client.validateJwtSvid(order.get("token").getAsString(), audience[0]);
    return Map.of("id", svid.getSpiffeId().toString());
  }

  private Map<String, Object> keep(String hint) throws Exception {
    kept = sourceOf(client, hint);
    return own();
  }

  /** What the kept source gives now: where the picker picks none, java-spiffe says nothing of it and gives null. */
  private Map<String, Object> own() {
    X509Svid svid = kept.getX509Svid();
    if (svid == null) throw new IllegalStateException("no SVID");
    return x509Of(svid);
  }

  // #region source
  /** Waits until there is an identity, at most as long as it is told, and is then always the step of this hint. */
  static DefaultX509Source sourceOf(WorkloadApiClient client, String hint) throws Exception {
    DefaultX509Source.X509SourceOptions options =
        DefaultX509Source.X509SourceOptions.builder()
            .workloadApiClient(client)
            // Without it the source waits for ever.
            .initTimeout(Duration.ofSeconds(30))
            .svidPicker(
                svids -> svids.stream().filter(svid -> svid.getHint().equals(hint)).findFirst().orElse(null))
            .build();
    return DefaultX509Source.newSource(options);
  }
  // #endregion

  /** Says what the library is told of: every X.509 context, and every end of the stream that the library gives on. */
  private static final class Told implements Watcher<X509Context> {
    @Override
    public void onUpdate(X509Context context) {
      say(Map.of("event", "x509", "svids", x509Of(context)));
    }

    @Override
    public void onError(Throwable error) {
      say(Map.of("event", "x509-error", "code", codeOf(error)));
    }
  }
}
