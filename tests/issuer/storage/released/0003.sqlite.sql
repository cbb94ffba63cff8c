-- Schema 0003 as it was released, on SQLite, with a row in every table.

CREATE TABLE alembic_version (
  version_num VARCHAR(32) NOT NULL,
  CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE clients (
  id TEXT NOT NULL,
  origin TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  last_used_at BIGINT,
  registration TEXT,
  document TEXT NOT NULL,
  CONSTRAINT pk_clients PRIMARY KEY (id),
  CONSTRAINT uq_clients_registration UNIQUE (registration)
)
 WITHOUT ROWID;
CREATE INDEX ix_clients_unused ON clients (origin, last_used_at, created_at);
CREATE TABLE codes (
  digest TEXT NOT NULL,
  client_id TEXT NOT NULL,
  redirect_uri TEXT NOT NULL,
  code_challenge TEXT NOT NULL,
  subject TEXT NOT NULL,
  scope TEXT NOT NULL,
  resources TEXT NOT NULL,
  auth_time BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  nonce TEXT,
  sid TEXT,
  family TEXT,
  failures INTEGER NOT NULL,
  CONSTRAINT pk_codes PRIMARY KEY (digest)
)
 WITHOUT ROWID;
CREATE INDEX ix_codes_expires_at ON codes (expires_at);
CREATE TABLE consents (
  subject TEXT NOT NULL,
  client_id TEXT NOT NULL,
  redirect_uri TEXT NOT NULL,
  resource TEXT NOT NULL,
  scope TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  CONSTRAINT pk_consents PRIMARY KEY (subject, client_id, redirect_uri, resource)
)
 WITHOUT ROWID;
CREATE TABLE denied (
  jti TEXT NOT NULL,
  expires_at BIGINT NOT NULL,
  CONSTRAINT pk_denied PRIMARY KEY (jti)
)
 WITHOUT ROWID;
CREATE INDEX ix_denied_expires_at ON denied (expires_at);
CREATE TABLE families (
  id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  subject TEXT NOT NULL,
  scope TEXT NOT NULL,
  resources TEXT NOT NULL,
  auth_time BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  last_used_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  sid TEXT,
  revoked_at BIGINT,
  CONSTRAINT pk_families PRIMARY KEY (id)
)
 WITHOUT ROWID;
CREATE INDEX ix_families_client_id ON families (client_id);
CREATE INDEX ix_families_expires_at ON families (expires_at);
CREATE INDEX ix_families_subject ON families (subject);
CREATE TABLE limits (
  "key" TEXT NOT NULL,
  hits INTEGER NOT NULL,
  ends_at BIGINT NOT NULL,
  CONSTRAINT pk_limits PRIMARY KEY ("key")
)
 WITHOUT ROWID;
CREATE INDEX ix_limits_ends_at ON limits (ends_at);
CREATE TABLE once (
  "key" TEXT NOT NULL,
  expires_at BIGINT NOT NULL,
  CONSTRAINT pk_once PRIMARY KEY ("key")
)
 WITHOUT ROWID;
CREATE INDEX ix_once_expires_at ON once (expires_at);
CREATE TABLE sessions (
  digest TEXT NOT NULL,
  sid TEXT NOT NULL,
  subject TEXT NOT NULL,
  auth_time BIGINT NOT NULL,
  last_seen_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  CONSTRAINT pk_sessions PRIMARY KEY (digest)
)
 WITHOUT ROWID;
CREATE INDEX ix_sessions_expires_at ON sessions (expires_at);
CREATE INDEX ix_sessions_subject ON sessions (subject);
CREATE TABLE shared_secrets (
  name TEXT NOT NULL,
  value BLOB NOT NULL,
  CONSTRAINT pk_shared_secrets PRIMARY KEY (name)
)
 WITHOUT ROWID;
CREATE TABLE users (
  subject TEXT NOT NULL,
  username TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  password_hash TEXT,
  name TEXT,
  email TEXT,
  disabled INTEGER NOT NULL,
  CONSTRAINT pk_users PRIMARY KEY (subject),
  CONSTRAINT uq_users_username UNIQUE (username)
)
 WITHOUT ROWID;
CREATE TABLE refresh_tokens (
  digest TEXT NOT NULL,
  family TEXT NOT NULL,
  expires_at BIGINT NOT NULL,
  parent TEXT,
  spent_at BIGINT,
  salt BLOB,
  CONSTRAINT pk_refresh_tokens PRIMARY KEY (digest),
  CONSTRAINT fk_refresh_tokens_family FOREIGN KEY(family) REFERENCES families (id) ON DELETE CASCADE
)
 WITHOUT ROWID;
CREATE INDEX ix_refresh_tokens_expires_at ON refresh_tokens (expires_at);
CREATE INDEX ix_refresh_tokens_family ON refresh_tokens (family);
CREATE TABLE documents (
  url TEXT NOT NULL,
  fetched_at BIGINT NOT NULL,
  fresh_until BIGINT NOT NULL,
  CONSTRAINT pk_documents PRIMARY KEY (url),
  CONSTRAINT fk_documents_url FOREIGN KEY(url) REFERENCES clients (id) ON DELETE CASCADE
)
 WITHOUT ROWID;
CREATE INDEX ix_documents_fetched_at ON documents (fetched_at);
CREATE INDEX ix_codes_client_id ON codes (client_id);
CREATE INDEX ix_codes_subject ON codes (subject);
CREATE INDEX ix_refresh_tokens_salted ON refresh_tokens (spent_at) WHERE salt IS NOT NULL;

INSERT INTO alembic_version VALUES ('0003');
INSERT INTO clients (id, origin, created_at, last_used_at, registration, document) VALUES
  ('https://app.example/client.json', 'document', 1800000000, 1800000060, 'a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1', '{"redirect_uris":["https://app.example/cb"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"auth_method":"client_secret_basic","name":"Zoë''s app","scope":["mcp:tools"],"resources":[],"secrets":[["b2",null],["b3",1800003600]],"introspects":["http://127.0.0.1:8000/mcp"],"metadata":{"client_uri":"https://app.example"}}');
INSERT INTO documents (url, fetched_at, fresh_until) VALUES
  ('https://app.example/client.json', 1800000000, 1800003600);
INSERT INTO users (subject, username, created_at, password_hash, name, email, disabled) VALUES
  ('u-1', 'zoe', 1800000000, '$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA', 'Zoë', 'zoe@example.com', 1);
INSERT INTO sessions (digest, sid, subject, auth_time, last_seen_at, expires_at) VALUES
  ('c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3', 'sid-1', 'u-1', 1800000000, 1800000060, 1800086400);
INSERT INTO families (id, client_id, subject, scope, resources, auth_time, created_at, last_used_at, expires_at, sid, revoked_at) VALUES
  ('family-1', 'https://app.example/client.json', 'u-1', 'mcp:tools offline_access', 'http://127.0.0.1:8000/mcp https://other.example/mcp', 1800000000, 1800000000, 1800000060, 1807776000, 'sid-1', 1800000120);
INSERT INTO codes (digest, client_id, redirect_uri, code_challenge, subject, scope, resources, auth_time, expires_at, nonce, sid, family, failures) VALUES
  ('d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4', 'https://app.example/client.json', 'https://app.example/cb', 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', 'u-1', 'mcp:tools offline_access', 'http://127.0.0.1:8000/mcp', 1800000000, 1800000060, 'nonce-1', 'sid-1', 'family-1', 1);
INSERT INTO refresh_tokens (digest, family, expires_at, parent, spent_at, salt) VALUES
  ('e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5', 'family-1', 1802592000, 'e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4', 1800000060, X'00ff10ab');
INSERT INTO consents (subject, client_id, redirect_uri, resource, scope, created_at) VALUES
  ('u-1', 'https://app.example/client.json', 'https://app.example/cb', 'http://127.0.0.1:8000/mcp', 'mcp:tools', 1800000000);
INSERT INTO once (key, expires_at) VALUES
  ('jti:client:1', 1800000300);
INSERT INTO limits (key, hits, ends_at) VALUES
  ('login:zoe:192.0.2.1', 3, 1800000300);
INSERT INTO denied (jti, expires_at) VALUES
  ('family-1.jti', 1800000900);
INSERT INTO shared_secrets (name, value) VALUES
  ('seal', X'00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff');
