// Drives an MCP server with the TypeScript SDK v1 (@modelcontextprotocol/sdk).
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { Credentials, listen } from "./credentials.mjs";
import { answer, options, useTools } from "./driver.mjs";

const Transport = options.transport === "sse" ? SSEClientTransport : StreamableHTTPClientTransport;

await answer(async () => {
  const callback = options.store && (await listen());
  const authProvider = callback && new Credentials(options.store, callback);
  const headers = options.token ? { Authorization: `Bearer ${options.token}` } : {};
  const open = () => new Transport(new URL(options.url), { authProvider, requestInit: { headers } });
  const connect = async (transport) => {
    const client = new Client({ name: "sdk-v1", version: "1" });
    await client.connect(transport);
    return client;
  };
  let transport = open();
  const signIn = async (error) => {
    if (!(error instanceof UnauthorizedError) || !callback) throw error;
    const parameters = await callback.next();
    if (parameters.get("state") !== authProvider.expectedState) throw new Error("state differs");
    await transport.finishAuth(parameters.get("code"));
  };
  const client = await connect(transport).catch((error) => signIn(error).then(() => connect((transport = open()))));
  return { ...(await useTools(client, signIn)), protocol: transport.protocolVersion };
});
