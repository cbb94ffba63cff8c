// The flow with openid-client as an OpenID Connect relying party: it checks the ID token and UserInfo too.
import * as openid from "openid-client";
import { listen, Store } from "./credentials.mjs";
import { answer, openBrowser, options } from "./driver.mjs";
import { toolCall, toolResult } from "./mcp_request.mjs";

const url = new URL(options.url);
const store = new Store(options.store);
const loopback = { execute: [openid.allowInsecureRequests] };

async function discover() {
  const refused = await fetch(url, { method: "POST" });
  const address = refused.headers.get("www-authenticate").match(/resource_metadata="([^"]+)"/)[1];
  const { authorization_servers, resource, scopes_supported } = await (await fetch(address)).json();
  return { issuer: new URL(authorization_servers[0]), resource, scopes: scopes_supported };
}

async function signIn({ issuer, resource, scopes }) {
  const { redirectUri, next } = await listen();
  const metadata = {
    redirect_uris: [redirectUri],
    client_name: "openid-client",
    grant_types: ["authorization_code", "refresh_token"],
    token_endpoint_auth_method: "client_secret_post",
  };
  const config = await openid.dynamicClientRegistration(issuer, metadata, undefined, loopback);
  store.set("client", config.clientMetadata());

  const verifier = openid.randomPKCECodeVerifier();
  const [expectedState, expectedNonce] = [openid.randomState(), openid.randomNonce()];
  const request = openid.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope: ["openid", ...scopes].join(" "),
    resource,
    state: expectedState,
    nonce: expectedNonce,
    max_age: "300",
    code_challenge: await openid.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
  });
  openBrowser(request.href);
  const callback = new URL(`${redirectUri}?${await next()}`);
  const checks = { pkceCodeVerifier: verifier, expectedState, expectedNonce, maxAge: 300, idTokenExpected: true };
  const tokens = await openid.authorizationCodeGrant(config, callback, checks, { resource });
  const userinfo = await openid.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
  return { config, tokens, found: { idToken: tokens.claims(), userinfo } };
}

async function refresh({ issuer }) {
  const { client, refreshToken } = store.data;
  const config = await openid.discovery(issuer, client.client_id, client, undefined, loopback);
  const tokens = await openid.refreshTokenGrant(config, refreshToken);
  return { config, tokens, found: { idToken: tokens.claims() } };
}

await answer(async () => {
  const discovered = await discover();
  const { config, tokens, found } = await (store.data.refreshToken ? refresh : signIn)(discovered);
  store.set("refreshToken", tokens.refresh_token);

  const { headers, body } = toolCall("whoami");
  const response = await openid.fetchProtectedResource(config, tokens.access_token, url, "POST", body, headers);
  return { ...found, whoami: await toolResult(response) };
});
