// One self-contained tools/call of MCP 2026-07-28, for OAuth libraries that know nothing of MCP.
const REVISION = "2026-07-28";

/** What to POST to the MCP endpoint. */
export function toolCall(name, args = {}) {
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": REVISION,
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  return {
    headers: new Headers({
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      "mcp-protocol-version": REVISION,
      "mcp-method": "tools/call",
      "mcp-name": name,
    }),
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: args, _meta } }),
  };
}

/** What the tool answered. */
export async function toolResult(response) {
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${text}`);
  const isStream = response.headers.get("content-type").startsWith("text/event-stream");
  const message = JSON.parse(isStream ? text.match(/^data: ?(.*)$/m)[1] : text);
  return message.result.structuredContent;
}
