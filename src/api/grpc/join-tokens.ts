import { digestOfJoinToken, JOIN_TOKEN_TTL_SECONDS, newJoinToken } from "../../attest/join-token.ts";
import { checkMayLook } from "../../decide/step-access.ts";
import { errorOf, invalidField, isDenial } from "../../domain/errors.ts";
import { parseSegment } from "../../domain/spiffe-id.ts";
import { addSeconds, secondsOf } from "../../domain/time.ts";
import type { JoinTokens, JoinTokensCreateRequest } from "../../gen/stint/v1/attestation_pb.js";
import type { Clock } from "../../ports/clock.ts";
import type { Ledger } from "../../ports/ledger.ts";
import type { RegistryReads } from "../../ports/ledger-reads.ts";
import type { Randomness } from "../../ports/randomness.ts";
import type { HandlersOf } from "../../wire/service-definition.ts";
import { secondsOfDuration, timestampOfMicros, timestampOfSeconds } from "../../wire/timestamps.ts";
import { type Endpoint, unary } from "./call.ts";
import { operatorActor } from "./revocations.ts";

export type JoinTokensPorts = {
  readonly ledger: Ledger;
  readonly joinTokens: RegistryReads["joinTokens"];
  readonly clock: Clock;
  readonly random: Randomness;
};

export function joinTokensHandlers(endpoint: Endpoint, ports: JoinTokensPorts): HandlersOf<typeof JoinTokens> {
  const { ledger, clock, random } = ports;
  return {
    create: unary(endpoint, "JoinTokens.Create", async (request, caller, ids) => {
      const by = operatorActor(caller, ["admin"]);
      const name = parseSegment(request.name, "name");
      ids["name"] = name;
      const ttlSeconds = ttlSecondsOf(request);
      const token = newJoinToken(name, random);
      const now = clock.now();
      const expiresAt = addSeconds(secondsOf(now), ttlSeconds);
      await ledger.perform({ act: "create-join-token", sha256: digestOfJoinToken(token), name, expiresAt, by, now });
      return { token, expiresAt: timestampOfSeconds(expiresAt) };
    }),
    list: unary(endpoint, "JoinTokens.List", async (_request, caller) => {
      checkMayLook(caller);
      const tokens = await ports.joinTokens(clock.now());
      return {
        joinTokens: tokens.map(({ name, createdAt, expiresAt }) => ({
          name,
          createdAt: timestampOfMicros(createdAt),
          expiresAt: timestampOfSeconds(expiresAt),
        })),
      };
    }),
    revoke: unary(endpoint, "JoinTokens.Revoke", async (request, caller, ids) => {
      const by = operatorActor(caller, ["admin"]);
      const name = parseSegment(request.name, "name");
      ids["name"] = name;
      const revoked = await ledger.perform({ act: "revoke-join-tokens", name, by, now: clock.now() });
      if (isDenial(revoked)) throw errorOf(revoked);
      return { revoked: revoked.count };
    }),
  };
}

function ttlSecondsOf({ ttl }: JoinTokensCreateRequest): number {
  const { min, default: absent, max } = JOIN_TOKEN_TTL_SECONDS;
  const seconds = ttl === undefined ? absent : secondsOfDuration(ttl, "ttl");
  if (seconds < min || seconds > max) throw invalidField("ttl", `${min} s to ${max} s`);
  return seconds;
}
