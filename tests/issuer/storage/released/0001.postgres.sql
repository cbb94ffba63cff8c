-- Schema 0001 as it was released, on PostgreSQL, with a row in every table.

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.clients (
    id text NOT NULL,
    origin text NOT NULL,
    created_at bigint NOT NULL,
    last_used_at bigint,
    registration text,
    document text NOT NULL
);
CREATE TABLE public.codes (
    digest text NOT NULL,
    client_id text NOT NULL,
    redirect_uri text NOT NULL,
    code_challenge text NOT NULL,
    subject text NOT NULL,
    scope text NOT NULL,
    resources text NOT NULL,
    auth_time bigint NOT NULL,
    expires_at bigint NOT NULL,
    nonce text,
    sid text,
    family text,
    failures integer NOT NULL
);
CREATE TABLE public.consents (
    subject text NOT NULL,
    client_id text NOT NULL,
    redirect_uri text NOT NULL,
    resource text NOT NULL,
    scope text NOT NULL,
    created_at bigint NOT NULL
);
CREATE TABLE public.denied (
    jti text NOT NULL,
    expires_at bigint NOT NULL
);
CREATE TABLE public.families (
    id text NOT NULL,
    client_id text NOT NULL,
    subject text NOT NULL,
    scope text NOT NULL,
    resources text NOT NULL,
    auth_time bigint NOT NULL,
    created_at bigint NOT NULL,
    last_used_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    sid text,
    revoked_at bigint
);
CREATE TABLE public.limits (
    key text NOT NULL,
    hits integer NOT NULL,
    ends_at bigint NOT NULL
);
CREATE TABLE public.once (
    key text NOT NULL,
    expires_at bigint NOT NULL
);
CREATE TABLE public.refresh_tokens (
    digest text NOT NULL,
    family text NOT NULL,
    expires_at bigint NOT NULL,
    parent text,
    spent_at bigint,
    salt bytea
);
CREATE TABLE public.sessions (
    digest text NOT NULL,
    sid text NOT NULL,
    subject text NOT NULL,
    auth_time bigint NOT NULL,
    last_seen_at bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE TABLE public.shared_secrets (
    name text NOT NULL,
    value bytea NOT NULL
);
CREATE TABLE public.users (
    subject text NOT NULL,
    username text NOT NULL,
    created_at bigint NOT NULL,
    password_hash text,
    name text,
    email text,
    disabled integer NOT NULL
);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.clients
    ADD CONSTRAINT pk_clients PRIMARY KEY (id);
ALTER TABLE ONLY public.codes
    ADD CONSTRAINT pk_codes PRIMARY KEY (digest);
ALTER TABLE ONLY public.consents
    ADD CONSTRAINT pk_consents PRIMARY KEY (subject, client_id, redirect_uri, resource);
ALTER TABLE ONLY public.denied
    ADD CONSTRAINT pk_denied PRIMARY KEY (jti);
ALTER TABLE ONLY public.families
    ADD CONSTRAINT pk_families PRIMARY KEY (id);
ALTER TABLE ONLY public.limits
    ADD CONSTRAINT pk_limits PRIMARY KEY (key);
ALTER TABLE ONLY public.once
    ADD CONSTRAINT pk_once PRIMARY KEY (key);
ALTER TABLE ONLY public.refresh_tokens
    ADD CONSTRAINT pk_refresh_tokens PRIMARY KEY (digest);
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT pk_sessions PRIMARY KEY (digest);
ALTER TABLE ONLY public.shared_secrets
    ADD CONSTRAINT pk_shared_secrets PRIMARY KEY (name);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT pk_users PRIMARY KEY (subject);
ALTER TABLE ONLY public.clients
    ADD CONSTRAINT uq_clients_registration UNIQUE (registration);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT uq_users_username UNIQUE (username);
CREATE INDEX ix_clients_unused ON public.clients USING btree (origin, last_used_at, created_at);
CREATE INDEX ix_codes_expires_at ON public.codes USING btree (expires_at);
CREATE INDEX ix_denied_expires_at ON public.denied USING btree (expires_at);
CREATE INDEX ix_families_client_id ON public.families USING btree (client_id);
CREATE INDEX ix_families_expires_at ON public.families USING btree (expires_at);
CREATE INDEX ix_families_subject ON public.families USING btree (subject);
CREATE INDEX ix_limits_ends_at ON public.limits USING btree (ends_at);
CREATE INDEX ix_once_expires_at ON public.once USING btree (expires_at);
CREATE INDEX ix_refresh_tokens_expires_at ON public.refresh_tokens USING btree (expires_at);
CREATE INDEX ix_refresh_tokens_family ON public.refresh_tokens USING btree (family);
CREATE INDEX ix_sessions_expires_at ON public.sessions USING btree (expires_at);
CREATE INDEX ix_sessions_subject ON public.sessions USING btree (subject);
ALTER TABLE ONLY public.refresh_tokens
    ADD CONSTRAINT fk_refresh_tokens_family FOREIGN KEY (family) REFERENCES public.families(id) ON DELETE CASCADE;

INSERT INTO alembic_version VALUES ('0001');
INSERT INTO clients (id, origin, created_at, last_used_at, registration, document) VALUES
  ('https://app.example/client.json', 'document', 1800000000, 1800000060, 'a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1', '{"redirect_uris":["https://app.example/cb"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"auth_method":"client_secret_basic","name":"Zoë''s app","scope":["mcp:tools"],"resources":[],"secrets":[["b2",null],["b3",1800003600]],"introspects":["http://127.0.0.1:8000/mcp"],"metadata":{"client_uri":"https://app.example"}}');
INSERT INTO users (subject, username, created_at, password_hash, name, email, disabled) VALUES
  ('u-1', 'zoe', 1800000000, '$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA', 'Zoë', 'zoe@example.com', 1);
INSERT INTO sessions (digest, sid, subject, auth_time, last_seen_at, expires_at) VALUES
  ('c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3', 'sid-1', 'u-1', 1800000000, 1800000060, 1800086400);
INSERT INTO families (id, client_id, subject, scope, resources, auth_time, created_at, last_used_at, expires_at, sid, revoked_at) VALUES
  ('family-1', 'https://app.example/client.json', 'u-1', 'mcp:tools offline_access', 'http://127.0.0.1:8000/mcp https://other.example/mcp', 1800000000, 1800000000, 1800000060, 1807776000, 'sid-1', 1800000120);
INSERT INTO codes (digest, client_id, redirect_uri, code_challenge, subject, scope, resources, auth_time, expires_at, nonce, sid, family, failures) VALUES
  ('d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4', 'https://app.example/client.json', 'https://app.example/cb', 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', 'u-1', 'mcp:tools offline_access', 'http://127.0.0.1:8000/mcp', 1800000000, 1800000060, 'nonce-1', 'sid-1', 'family-1', 1);
INSERT INTO refresh_tokens (digest, family, expires_at, parent, spent_at, salt) VALUES
  ('e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5', 'family-1', 1802592000, 'e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4', 1800000060, '\x00ff10ab');
INSERT INTO consents (subject, client_id, redirect_uri, resource, scope, created_at) VALUES
  ('u-1', 'https://app.example/client.json', 'https://app.example/cb', 'http://127.0.0.1:8000/mcp', 'mcp:tools', 1800000000);
INSERT INTO once (key, expires_at) VALUES
  ('jti:client:1', 1800000300);
INSERT INTO limits (key, hits, ends_at) VALUES
  ('login:zoe:192.0.2.1', 3, 1800000300);
INSERT INTO denied (jti, expires_at) VALUES
  ('family-1.jti', 1800000900);
INSERT INTO shared_secrets (name, value) VALUES
  ('seal', '\x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff');
