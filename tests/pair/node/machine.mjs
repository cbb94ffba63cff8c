// A machine calls the tools: the client_credentials and private_key_jwt providers of both TypeScript SDK lines.
import { readFile } from "node:fs/promises";
import * as v1 from "@modelcontextprotocol/sdk/client/auth-extensions.js";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import * as v2 from "@modelcontextprotocol/client";
import { answer, useTools } from "./driver.mjs";

const { LINE, CLIENT_ID, CLIENT_SECRET, PRIVATE_KEY, EXPECTED_ISSUER, MCP_URL } = process.env;
const line = LINE === "v1" ? { ...v1, Client: ClientV1, Transport: TransportV1 }
  : { ...v2, Transport: v2.StreamableHTTPClientTransport };
const who = { clientId: CLIENT_ID, expectedIssuer: EXPECTED_ISSUER };

await answer(async () => {
  const authProvider = PRIVATE_KEY
    ? new line.PrivateKeyJwtProvider({ ...who, privateKey: await readFile(PRIVATE_KEY, "utf8"), algorithm: "RS256" })
    : new line.ClientCredentialsProvider({ ...who, clientSecret: CLIENT_SECRET });
  const client = new line.Client({ name: "machine", version: "1.0.0" });
  await client.connect(new line.Transport(new URL(MCP_URL), { authProvider }));
  const work = await useTools(client);
  await client.close();
  return work;
});
