// The TypeScript SDK, version 1 (MCP 2025-11-25, with sessions), behind tokens that jose verifies.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { z } from 'zod';
import { PORT, TOOLS } from './settings.mjs';
import { bearer } from './bearer.mjs';

const sessions = new Map();

async function open() {
  const server = new McpServer({ name: 'bench', version: '1.0.0' });
  for (let n = 0; n < TOOLS; n++) {
    const name = n === 0 ? 'add_numbers' : `add_numbers_${n}`;
    const config = { inputSchema: { a: z.number(), b: z.number() }, outputSchema: { result: z.number() } };
    server.registerTool(name, { description: 'Add two numbers.', ...config }, async ({ a, b }) => ({
      content: [{ type: 'text', text: String(a + b) }],
      structuredContent: { result: a + b },
    }));
  }
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    enableJsonResponse: true,
    onsessioninitialized: (id) => sessions.set(id, transport),
  });
  await server.connect(transport);
  return transport;
}

createServer(async (req, res) => {
  if (req.url === '/ready') return res.end('ok');
  if (!(await bearer(req, res))) return;
  const transport = sessions.get(req.headers['mcp-session-id']) ?? (await open());
  await transport.handleRequest(req, res);
}).listen(PORT, '127.0.0.1');
