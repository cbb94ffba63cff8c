// oidc-provider 9 with its memory adapter, JWT access tokens by resource indicators, and consent that nobody is asked.
import { exportJWK, generateKeyPair } from 'jose';
import Provider, { interactionPolicy } from 'oidc-provider';
import { ALG, PORT, RESOURCE, SCOPE, SECRET, REDIRECT_URI } from './settings.mjs';

const issuer = `http://127.0.0.1:${PORT}`;
const pair = await generateKeyPair(ALG, { extractable: true });
const policy = interactionPolicy.base();
policy.remove('consent');

const provider = new Provider(issuer, {
  jwks: { keys: [{ ...(await exportJWK(pair.privateKey)), alg: ALG, use: 'sig', kid: 'bench' }] },
  clients: [
    {
      client_id: 'machine',
      client_secret: SECRET,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    },
    {
      client_id: 'app',
      token_endpoint_auth_method: 'none',
      application_type: 'native',
      redirect_uris: [REDIRECT_URI],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      id_token_signed_response_alg: ALG,
    },
  ],
  clientDefaults: { id_token_signed_response_alg: ALG },
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256'] },
  scopes: ['openid', 'offline_access', SCOPE],
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  issueRefreshToken: () => true,
  interactions: { policy, url: (_, interaction) => `/signin/${interaction.uid}` },
  // Everybody has agreed to everything: the grant is made when none is there yet.
  async loadExistingGrant(ctx) {
    const id = ctx.oidc.result?.consent?.grantId || ctx.oidc.session.grantIdFor(ctx.oidc.client.clientId);
    const found = id && (await ctx.oidc.provider.Grant.find(id));
    if (found) return found;
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId,
      accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope('openid offline_access');
    grant.addResourceScope(RESOURCE, SCOPE);
    await grant.save();
    return grant;
  },
  ttl: { AccessToken: 900, ClientCredentials: 900, Grant: 86400, Session: 86400, RefreshToken: 86400, IdToken: 900, Interaction: 600 },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    registration: { enabled: true },
    registrationManagement: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => RESOURCE,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: SCOPE,
        audience: RESOURCE,
        accessTokenFormat: 'jwt',
        accessTokenTTL: 900,
        jwt: { sign: { alg: ALG } },
      }),
    },
  },
});

provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith('/signin/')) return next();
  // The page that would ask who is there. `?as=alice` answers it, as a form would.
  if (ctx.query.as) return provider.interactionFinished(ctx.req, ctx.res, { login: { accountId: ctx.query.as } });
  const asked = await provider.interactionDetails(ctx.req, ctx.res);
  if (asked.prompt.name !== 'login') throw new Error(asked.prompt.name);
  ctx.type = 'html';
  ctx.body = '<!doctype html><title>Sign in</title><form><input name="as"><button>Sign in</button></form>';
});
provider.listen(PORT, '127.0.0.1');
