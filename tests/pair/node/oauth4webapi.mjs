// The whole flow with oauth4webapi, which checks every answer; its RFC 9068 check judges each access token.
import * as oauth from "oauth4webapi";
import { listen, Store } from "./credentials.mjs";
import { answer, openBrowser, options } from "./driver.mjs";
import { toolCall, toolResult } from "./mcp_request.mjs";

const loopback = { [oauth.allowInsecureRequests]: true };
const url = new URL(options.url);
const store = new Store(options.store);

async function discover() {
  const resource = await oauth.processResourceDiscoveryResponse(url, await oauth.resourceDiscoveryRequest(url, loopback));
  const issuer = new URL(resource.authorization_servers[0]);
  const response = await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...loopback });
  return { resource, server: await oauth.processDiscoveryResponse(issuer, response) };
}

async function signIn(server, resource) {
  const { redirectUri, next } = await listen();
  const metadata = { redirect_uris: [redirectUri], client_name: "oauth4webapi", token_endpoint_auth_method: "none" };
  metadata.grant_types = ["authorization_code", "refresh_token"];
  const registration = await oauth.dynamicClientRegistrationRequest(server, metadata, loopback);
  const client = await oauth.processDynamicClientRegistrationResponse(registration);
  store.set("client", client);

  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const request = new URL(server.authorization_endpoint);
  request.search = new URLSearchParams({
    response_type: "code",
    client_id: client.client_id,
    redirect_uri: redirectUri,
    scope: resource.scopes_supported.join(" "),
    resource: resource.resource,
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
  });
  openBrowser(request.href);
  const parameters = oauth.validateAuthResponse(server, client, await next(), state); // state, and iss (RFC 9207)
  const more = { additionalParameters: { resource: resource.resource }, ...loopback };
  const response = await oauth.authorizationCodeGrantRequest(
    server, client, oauth.None(), parameters, redirectUri, verifier, more,
  );
  return oauth.processAuthorizationCodeResponse(server, client, response);
}

async function refresh(server) {
  const { client, refreshToken } = store.data;
  const response = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), refreshToken, loopback);
  return oauth.processRefreshTokenResponse(server, client, response);
}

await answer(async () => {
  const { resource, server } = await discover();
  const tokens = await (store.data.refreshToken ? refresh(server) : signIn(server, resource));
  store.set("refreshToken", tokens.refresh_token);

  const bearer = new Request(url, { headers: { authorization: `Bearer ${tokens.access_token}` } });
  const claims = await oauth.validateJwtAccessToken(server, bearer, resource.resource, loopback);
  const { headers, body } = toolCall("whoami");
  const response = await oauth.protectedResourceRequest(tokens.access_token, "POST", url, headers, body, loopback);
  return { claims, whoami: await toolResult(response) };
});
