-- A public key is public, so it signs nobody in, and any number of users may have the same.
DROP INDEX IF EXISTS users_by_pubkey;

-- The SHA-256 of the secret with which the user signs in; null means none.
ALTER TABLE users ADD COLUMN login_key BLOB;

CREATE UNIQUE INDEX users_by_login_key ON users (login_key) WHERE login_key IS NOT NULL;
