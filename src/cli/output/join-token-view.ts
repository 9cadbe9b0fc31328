import type { JoinToken, JoinTokensCreateResponse } from "../../gen/stint/v1/attestation_pb.js";
import { instantCell, instantField } from "./fields.ts";
import type { View } from "./view.ts";

export const joinTokenView: View<JoinToken> = {
  fields: [
    ["name", (token) => token.name],
    ["created_at", (token) => instantField(token.createdAt)],
    ["expires_at", (token) => instantField(token.expiresAt)],
  ],
  columns: [
    { header: "NAME", text: (token) => token.name },
    { header: "CREATED", text: (token) => instantCell(token.createdAt) },
    { header: "EXPIRES", text: (token) => instantCell(token.expiresAt) },
  ],
};

/** A new join token, with the token itself, which is told once. */
export const newJoinTokenView: View<JoinTokensCreateResponse> = {
  fields: [
    ["token", (created) => created.token],
    ["expires_at", (created) => instantField(created.expiresAt)],
  ],
  columns: [],
};
