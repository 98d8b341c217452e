-- A database of a server whose migrations were all in one folder, as `sqlite3 .dump` prints it.
-- Three rows were added for the test.
BEGIN TRANSACTION;
CREATE TABLE _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);
INSERT INTO "_sqlx_migrations" VALUES(1,'users','2026-11-27 01:58:06',1,X'70DDCA9D035652A45E4A69A85362F1C30446287F962749C62CCF6DF6CED72AC2ED7ACA6FB771B3553B9EED25ACBC9E82',670627);
INSERT INTO "_sqlx_migrations" VALUES(2,'channels and bans','2026-11-27 01:58:06',1,X'4F406283D38F71F25C9EB71EBF11A2A5C288F5D617ECDF526398DAF1B207C31CB1E13609312FA3F6132A6FAD27886BA9',721943);
INSERT INTO "_sqlx_migrations" VALUES(8,'channel max participants','2026-11-27 01:58:06',1,X'24B2E160CFFCC450089FE3E10CCD2B0345BBA8DCE9A3E636AEB71FFFC10EA7C4F1AA53AD5A29F6A22CC59FE13700FD4D',489378);
INSERT INTO "_sqlx_migrations" VALUES(12,'login keys','2026-11-27 01:58:06',1,X'AA8C1C789D746E52D8575E74A323607898BF5211664FBDCE19A6173C6C943231FDCE2A2BF03AE7636FAC73519E8C901C',574094);
CREATE TABLE bans (
    user_id    TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    channel_id TEXT    REFERENCES channels (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL DEFAULT (unixepoch())
);
CREATE TABLE channels (
    id         TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    kind       TEXT    NOT NULL CHECK (kind IN ('voice', 'text')),
    created_at INTEGER NOT NULL DEFAULT (unixepoch())
, max_participants INTEGER);
INSERT INTO "channels" VALUES('general','general','voice',1795744686,NULL);
INSERT INTO "channels" VALUES('lounge','lounge','voice',1795744686,NULL);
INSERT INTO "channels" VALUES('chat','chat','text',1795744686,NULL);
CREATE TABLE users (
    id           TEXT    NOT NULL PRIMARY KEY,
    display_name TEXT    NOT NULL,
    -- Opaque text of the client's choosing; empty means none.
    pubkey       TEXT    NOT NULL DEFAULT '',
    created_at   INTEGER NOT NULL DEFAULT (unixepoch())
, login_key BLOB);
INSERT INTO users (id, display_name) VALUES ('u', 'Ulla');
INSERT INTO channels (id, name, kind, max_participants) VALUES ('den', 'The den', 'voice', 4);
INSERT INTO bans (user_id, channel_id) VALUES ('u', 'den');
CREATE INDEX bans_by_user ON bans (user_id, channel_id);
CREATE UNIQUE INDEX users_by_login_key ON users (login_key) WHERE login_key IS NOT NULL;
COMMIT;
