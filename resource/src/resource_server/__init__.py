"""The MCP server that accepts one issuer's access tokens (the OAuth 2.0 resource server)."""
