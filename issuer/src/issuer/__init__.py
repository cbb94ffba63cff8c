"""The issuer: an OAuth 2.1 and OpenID Connect authorization server for MCP."""

__version__ = "0.1.0"
