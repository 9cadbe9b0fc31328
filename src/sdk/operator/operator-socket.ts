/** Names the operator socket where nothing else does. */
export const OPERATOR_SOCKET_VARIABLE = "STINT_OPERATOR_SOCKET";
export const OPERATOR_SOCKET_DEFAULT = "/run/stint/operator.sock";
