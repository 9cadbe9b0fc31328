import type { TlsPeer } from "../api/endpoint/tls-endpoint.ts";
import { type ApiPorts, type ApiServer, nodesServer } from "../api/grpc/servers.ts";
import { attest } from "../attest/attest.ts";
import { attestSvid } from "../attest/attest-svid.ts";
import type { Config } from "../config/config.ts";
import { BrokerError, invalidField } from "../domain/errors.ts";
import { identityOf } from "../domain/node-machine.ts";
import { type NodeName, nodeNameOf, partsOfNodeName } from "../domain/node-name.ts";
import { isOfKind } from "../domain/registration-entry.ts";
import { infrastructureNameOf, type SpiffeId } from "../domain/spiffe-id.ts";
import { decodeNodeReport, NODE_CALLER_KEY } from "../wire/node-message.ts";
import { type SvidEndpointParts, serveBySvid } from "./svid-endpoint.ts";

export type NodesEndpoint = { readonly server: ApiServer; readonly port: number | undefined };

/**
 * Starts the endpoint for the agents of machines without a broker, where it is configured.
 *
 * @param stops - takes the function that ends the endpoint.
 */
export async function startNodesEndpoint(
  given: SvidEndpointParts & { readonly ports: ApiPorts; readonly config: Config },
  stops: (() => Promise<void>)[],
): Promise<NodesEndpoint | undefined> {
  const { core, config, ports } = given;
  if (config.nodes === undefined) return undefined;
  const { entries, machines, unix } = core;
  const { server, endpoint, stop } = await serveBySvid(
    {
      name: "nodes",
      place: config.nodes.listen,
      make: (on) => nodesServer(on, ports),
      peerOf(call, connection) {
        const [report] = call.metadata.get(NODE_CALLER_KEY);
        if (report === undefined) return connection;
        if (typeof report === "string") throw invalidField(NODE_CALLER_KEY, "a stint.v1.NodeCaller");
        return machines.nodes.adopt(nodeOf(connection), connection.connectionId, decodeNodeReport(report));
      },
      async attest(connection, peer) {
        const node = await attestSvid(connection, { attestor: unix.attestor, entries });
        if (!node.entries.some((entry) => isOfKind(entry, "node"))) throw notANode();
        return peer === connection ? node : attest(peer, { attestor: machines.attestor, entries });
      },
    },
    given,
  );
  function isBelieved(node: NodeName): boolean {
    const { entry: name, machine } = partsOfNodeName(node);
    const entry = entries.byName("node", name);
    return entry !== undefined && !entry.disabled && identityOf(entry, machine) !== undefined;
  }
  // Of a node that is no longer registered nothing is believed any more, and nothing waits for its return.
  const unfollow = entries.onChange(() => {
    for (const node of machines.nodes.attended()) if (!isBelieved(node)) machines.nodes.dismiss(node);
    endpoint.drop(({ spiffeId }) => {
      const node = nodeNamed(spiffeId);
      return node !== undefined && !isBelieved(node);
    });
  });
  stops.push(async () => {
    unfollow();
    await stop();
  });
  return { server, port: endpoint.port };
}

function nodeOf({ identity }: TlsPeer): NodeName {
  const node = nodeNamed(identity.spiffeId);
  if (node === undefined) throw notANode();
  return node;
}

function nodeNamed(spiffeId: SpiffeId): NodeName | undefined {
  const named = infrastructureNameOf(spiffeId);
  return named?.kind === "node" ? nodeNameOf(named.name, named.machine) : undefined;
}

function notANode(): BrokerError {
  return new BrokerError("NO_IDENTITY", "only for the agent of a node, by its own X.509-SVID");
}
