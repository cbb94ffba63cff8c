// The TypeScript SDK's server, version 2 (MCP 2026-07-28, no sessions), behind tokens that jose verifies.
import { createServer } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { PORT, TOOLS } from './settings.mjs';
import { bearer } from './bearer.mjs';

const input = z.object({ a: z.number(), b: z.number() });
const output = z.object({ result: z.number() });

function makeServer() {
  const server = new McpServer({ name: 'bench', version: '1.0.0' });
  for (let n = 0; n < TOOLS; n++) {
    const name = n === 0 ? 'add_numbers' : `add_numbers_${n}`;
    const config = { description: 'Add two numbers.', inputSchema: input, outputSchema: output };
    server.registerTool(name, config, async ({ a, b }) => ({
      content: [{ type: 'text', text: String(a + b) }],
      structuredContent: { result: a + b },
    }));
  }
  return server;
}

const handler = toNodeHandler(createMcpHandler(makeServer));
createServer(async (req, res) => {
  if (req.url === '/ready') return res.end('ok');
  if (await bearer(req, res)) await handler(req, res);
}).listen(PORT, '127.0.0.1');
