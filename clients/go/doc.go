// Package stint verifies the credentials of agents' steps, and refuses them the moment that their step ends.
//
// A [Verifier] follows the broker's feed of revocations and says of a JWT-SVID which step it is of, what that step may do, and when it
// has ended. Package guard stands one in front of an MCP server's HTTP handler, and package mcpauth puts it into the official MCP SDK.
package stint
