"""What decides and refuses HTTP requests of MCP; `stint_mcp.asgi` stands it in front of an application."""
