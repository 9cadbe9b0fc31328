import { generateKeyPairSync, randomUUID } from "node:crypto";
import { exportJWK, type JWK, SignJWT } from "jose";

export const ISSUER = "https://kubernetes.default.svc.cluster.local";
export const AUDIENCE = "https://broker.example.org";
/** What a projected token says of its pod, since Kubernetes 1.30. */
export const BOUND = {
  namespace: "agents",
  node: { name: "worker-2", uid: "58456cb0-dd00-45ed-b797-5578fdceaced" },
  pod: { name: "flow-0", uid: "3b0b6a3c-3f0e-4f0c-8a66-1f0f2d0ab0a9" },
  serviceaccount: { name: "flow", uid: "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798" },
};

/** The API server of a cluster that cannot be reached from here. */
export function apiServer(kid: string) {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
  return {
    jwk: async (): Promise<JWK> => ({ ...(await exportJWK(publicKey)), kid, alg: "RS256", use: "sig" }),
    token: (bound: object = BOUND) =>
      new SignJWT({ "kubernetes.io": bound })
        .setProtectedHeader({ alg: "RS256", kid })
        .setIssuer(ISSUER)
        .setSubject("system:serviceaccount:agents:flow")
        .setAudience(AUDIENCE)
        .setIssuedAt()
        .setNotBefore("0s")
        .setExpirationTime("10m")
        .setJti(randomUUID())
        .sign(privateKey),
  };
}
