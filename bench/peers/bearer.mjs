// RFC 6750 as one would write it with jose: verify, or answer 401.
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { ISSUER, JWKS_URL, RESOURCE, SCOPE } from './settings.mjs';

const keys = createRemoteJWKSet(new URL(JWKS_URL));

export async function bearer(req, res) {
  const [scheme, token] = (req.headers.authorization ?? '').split(' ');
  try {
    if (scheme !== 'Bearer') throw new Error('no token');
    const { payload } = await jwtVerify(token, keys, { issuer: ISSUER, audience: RESOURCE, typ: 'at+jwt' });
    const scopes = String(payload.scope ?? '').split(' ');
    if (!scopes.includes(SCOPE)) throw new Error('scope');
    req.auth = { token, clientId: String(payload.client_id), scopes, expiresAt: payload.exp };
    return true;
  } catch {
    res.writeHead(401, { 'WWW-Authenticate': 'Bearer' }).end();
    return false;
  }
}
