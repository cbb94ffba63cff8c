// oauth4webapi manages a registration and its tokens: RFC 7591 and 7592, introspection, revocation.
import * as oauth from "oauth4webapi";
import { answer } from "./driver.mjs";

const { EXPECTED_ISSUER, CLIENT_ID, CLIENT_SECRET } = process.env;
const loopback = { [oauth.allowInsecureRequests]: true };
const issuer = new URL(EXPECTED_ISSUER);

await answer(async () => {
  const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, loopback));

  const metadata = { redirect_uris: ["https://app.example/callback"], client_name: "lifecycle" };
  const made = await oauth.processDynamicClientRegistrationResponse(
    await oauth.dynamicClientRegistrationRequest(server, metadata, loopback),
  );
  const manage = async (method, body) => {
    const headers = { authorization: `Bearer ${made.registration_access_token}`, "content-type": "application/json" };
    const response = await fetch(made.registration_client_uri, { method, headers, body: body && JSON.stringify(body) });
    return { status: response.status, body: response.status === 204 ? undefined : await response.json() };
  };
  const read = await manage("GET");
  const changed = await manage("PUT", { ...metadata, client_id: made.client_id, client_name: "renamed" });
  const removed = await manage("DELETE");
  const gone = await manage("GET");

  const client = { client_id: CLIENT_ID };
  const proof = oauth.ClientSecretBasic(CLIENT_SECRET);
  const tokens = await oauth.processClientCredentialsResponse(
    server, client, await oauth.clientCredentialsGrantRequest(server, client, proof, {}, loopback),
  );
  const introspect = async () => oauth.processIntrospectionResponse(
    server, client, await oauth.introspectionRequest(server, client, proof, tokens.access_token, loopback),
  );
  const before = await introspect();
  await oauth.processRevocationResponse(
    await oauth.revocationRequest(server, client, proof, tokens.access_token, loopback),
  );
  const after = await introspect();
  return { made, read, changed, removed, gone, before, after };
});
