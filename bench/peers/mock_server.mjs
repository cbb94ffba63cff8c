// oauth2-mock-server: what tests use in place of an issuer; it authenticates nobody and stores nothing.
import { OAuth2Server } from 'oauth2-mock-server';
import { ALG, PORT, RESOURCE, SCOPE } from './settings.mjs';

const server = new OAuth2Server();
await server.issuer.keys.generate(ALG);
server.service.on('beforeTokenSigning', (token) => {
  token.payload.aud = RESOURCE;
  token.payload.scope = SCOPE;
});
await server.start(PORT, '127.0.0.1');
