-- The SHA-256 of the secret with which the user signs in; null means none.
ALTER TABLE users ADD COLUMN login_key bytea;

CREATE UNIQUE INDEX users_by_login_key ON users (login_key) WHERE login_key IS NOT NULL;
