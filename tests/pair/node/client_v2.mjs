// Drives an MCP server with the TypeScript SDK v2 (@modelcontextprotocol/client).
import { Client, SSEClientTransport, StreamableHTTPClientTransport, UnauthorizedError } from "@modelcontextprotocol/client";
import { Credentials, listen } from "./credentials.mjs";
import { answer, options, useTools } from "./driver.mjs";

const Transport = options.transport === "sse" ? SSEClientTransport : StreamableHTTPClientTransport;

await answer(async () => {
  const callback = options.store && (await listen());
  const oauth = callback && new Credentials(options.store, callback);
  const bearer = options.token && { token: async () => options.token };
  const open = () => new Transport(new URL(options.url), { authProvider: oauth ?? bearer });
  const connect = async (transport) => {
    const client = new Client({ name: "client-v2", version: "1" }, { versionNegotiation: { mode: options.era } });
    await client.connect(transport);
    return client;
  };
  let transport = open();
  const signIn = async (error) => {
    if (!(error instanceof UnauthorizedError) || !callback) throw error;
    const parameters = await callback.next();
    if (parameters.get("state") !== oauth.expectedState) throw new Error("state differs");
    await transport.finishAuth(parameters); // checks `iss` (RFC 9207)
  };
  const client = await connect(transport).catch((error) => signIn(error).then(() => connect((transport = open()))));
  return { ...(await useTools(client, signIn)), protocol: client.getNegotiatedProtocolVersion?.() };
});
