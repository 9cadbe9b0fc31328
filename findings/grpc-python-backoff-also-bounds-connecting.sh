#!/usr/bin/env bash
# In gRPC's Python package `grpc.min_reconnect_backoff_ms` is not only how soon a lost connection is tried again: it is also how long one
# attempt may take, HTTP/2's settings included (the core calls both the same time, 20 s where nothing is set). A client that is told to
# come back within 100 ms, so that a restarted broker is found at once, never gets to a server that takes longer than that to answer its
# first frame, however long the call waits. `grpc.initial_reconnect_backoff_ms` alone bounds nothing. The same three options in grpc-js, for
# which the shortest backoff is `initial_…` and `min_…` means nothing, connect.
#
# Seen: grpcio 1.85.1 (PyPI), Python 3.11; @grpc/grpc-js 1.14.7 (npm), Node.js 20 and 24.
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check --only-binary :all: grpcio==1.85.1 grpcio-health-checking==1.85.1
npm init --yes > /dev/null
npm install --silent --ignore-scripts --save-exact @grpc/grpc-js@1.14.7 > /dev/null

cat > server.py <<'PY'
"""A health service, reached by a relay that takes 600 ms to pass on what comes first."""
import asyncio
import sys

import grpc
from grpc_health.v1 import health, health_pb2_grpc


async def main() -> None:
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.6)
        there = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, there[1]), pump(there[0], writer), return_exceptions=True)

    slow = await asyncio.start_server(relay, "127.0.0.1", 0)
    print(slow.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(60)


sys.stderr = open("/dev/null", "w")
asyncio.run(main())
PY

cat > client.py <<'PY'
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

port, *names = sys.argv[1:]
options = [(f"grpc.{name}_reconnect_backoff_ms", 100) for name in names]
with grpc.insecure_channel(f"127.0.0.1:{port}", options) as channel:
    try:
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5, wait_for_ready=True)
        print("python", *names, "OK")
    except grpc.RpcError as error:
        print("python", *names, error.code().name)
PY

cat > client.cjs <<'JS'
const { Client, credentials, Metadata } = require("@grpc/grpc-js");
const [port, ...names] = process.argv.slice(2);
const options = Object.fromEntries(names.map((name) => [`grpc.${name}_reconnect_backoff_ms`, 100]));
const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), options);
const plain = (bytes) => bytes;
const metadata = new Metadata({ waitForReady: true });
client.makeUnaryRequest("/grpc.health.v1.Health/Check", plain, plain, Buffer.alloc(0), metadata, { deadline: Date.now() + 5000 }, (error) => {
  console.log("grpc-js", ...names, error ? error.code : "OK");
  client.close();
});
JS

python/bin/python server.py > port &
server=$!
trap 'kill $server 2> /dev/null; rm -rf "$PWD"' EXIT
until [ -s port ]; do sleep 0.1; done

seen=$(
  python/bin/python client.py "$(cat port)" 2> /dev/null
  python/bin/python client.py "$(cat port)" initial 2> /dev/null
  python/bin/python client.py "$(cat port)" initial min max 2> /dev/null
  node client.cjs "$(cat port)" initial min max
)
expected="python OK
python initial OK
python initial min max DEADLINE_EXCEEDED
grpc-js initial min max OK"
printf '%s\n' "$seen"
[ "$seen" = "$expected" ] || { echo "this has changed" >&2; exit 1; }
