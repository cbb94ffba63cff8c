// What the bench tells every peer, by environment.
const { env } = process;
export const PORT = Number(env.PORT);
export const ALG = env.ALG ?? 'RS256';
export const RESOURCE = env.RESOURCE;
export const ISSUER = env.TOKEN_ISSUER;
export const JWKS_URL = env.JWKS_URL;
export const TOOLS = Number(env.TOOLS ?? 1);
export const SCOPE = 'mcp:tools';
export const SECRET = 'bench-secret-bench-secret-bench-secret';
export const REDIRECT_URI = 'http://127.0.0.1:7777/callback';
