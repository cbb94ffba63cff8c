// An OAuth client of the TypeScript SDKs that keeps its credentials in a file and listens on loopback.
import { randomUUID } from "node:crypto";
import { EventEmitter, on } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { openBrowser, options } from "./driver.mjs";

/** Listens on a free port; `next()` settles with the parameters of the next request that comes back. */
export async function listen() {
  const server = createServer();
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const came = new EventEmitter();
  const received = on(came, "back");
  server.on("request", (request, response) => {
    const url = new URL(request.url, "http://127.0.0.1");
    response.end("You can close this window.");
    if (url.pathname === "/callback") came.emit("back", url.searchParams);
  });
  const next = async () => (await received.next()).value[0];
  return { redirectUri: `http://127.0.0.1:${server.address().port}/callback`, next };
}

/** The JSON file that outlives the process. */
export class Store {
  constructor(file) {
    this.file = file;
    try {
      this.data = JSON.parse(readFileSync(file, "utf8"));
    } catch {
      this.data = {};
    }
  }
  set(name, value) {
    this.data[name] = value;
    writeFileSync(this.file, JSON.stringify(this.data));
  }
}

/** `OAuthClientProvider` of both SDK lines. */
export class Credentials {
  constructor(file, { redirectUri }) {
    this.store = new Store(file);
    this.redirectUrl = redirectUri;
    this.clientMetadataUrl = options.document;
    this.expectedState = randomUUID();
    this.clientMetadata = {
      client_name: "TypeScript driver",
      redirect_uris: [redirectUri],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    };
  }
  state() {
    return this.expectedState;
  }
  clientInformation() {
    return this.store.data.client;
  }
  saveClientInformation(client) {
    this.store.set("client", client);
  }
  tokens() {
    return this.store.data.tokens;
  }
  saveTokens(tokens) {
    this.store.set("tokens", tokens);
  }
  saveCodeVerifier(verifier) {
    this.verifier = verifier;
  }
  codeVerifier() {
    return this.verifier;
  }
  redirectToAuthorization(url) {
    openBrowser(url.href);
  }
  invalidateCredentials(what) {
    if (what !== "verifier") this.store.set(what === "client" ? "client" : "tokens", undefined);
    if (what === "all") this.store.set("client", undefined);
  }
}
