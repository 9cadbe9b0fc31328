/** Where a connection arrived: the socket's local address. */
export type Arrival = { readonly address: string; readonly port: number };

const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?$/;

/**
 * Makes the check of the Host header, the defence against DNS rebinding: a web page whose name was made to resolve to
 * this machine still sends its own name here.
 *
 * The given names pass (`name` for any port, `name:port` for that port), and so does the address at which the
 * connection arrived, with its port; on loopback `localhost` passes too, which nobody can make resolve elsewhere.
 *
 * @param names - in lower case.
 * @param defaultPort - the port that a Host without port means: 80, or 443 with TLS.
 * @see RFC 9110 sections 7.2 and 15.5.20
 */
export function hostCheck(names: readonly string[], defaultPort: number): (host: string, arrival: Arrival) => boolean {
  const known = new Set(names);
  return (host, arrival) => {
    const [, name, digits] = HOST.exec(host.toLowerCase()) ?? [];
    if (name === undefined) return false;
    const port = digits === undefined ? defaultPort : Number(digits);
    if (known.has(name) || known.has(`${name}:${port}`)) return true;
    return port === arrival.port && ownNames(arrival.address).includes(name);
  };
}

function ownNames(address: string): readonly string[] {
  // An IPv4 connection to a socket of both families shows its address in the IPv6 form.
  const plain = address.startsWith("::ffff:") && address.includes(".") ? address.slice("::ffff:".length) : address;
  const name = plain.includes(":") ? `[${plain}]` : plain;
  return isLoopback(plain) ? [name, "localhost"] : [name];
}

/** Whether only this machine reaches the address. */
export function isLoopback(address: string): boolean {
  return address === "::1" || /^127\.[0-9.]+$/.test(address);
}
