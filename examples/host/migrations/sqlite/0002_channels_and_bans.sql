CREATE TABLE IF NOT EXISTS channels (
    id         TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    kind       TEXT    NOT NULL CHECK (kind IN ('voice', 'text')),
    created_at INTEGER NOT NULL DEFAULT (unixepoch())
);

-- A row without a channel bans the user from every channel.
CREATE TABLE IF NOT EXISTS bans (
    user_id    TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    channel_id TEXT    REFERENCES channels (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL DEFAULT (unixepoch())
);

CREATE INDEX IF NOT EXISTS bans_by_user ON bans (user_id, channel_id);

INSERT OR IGNORE INTO channels (id, name, kind)
VALUES ('general', 'general', 'voice'), ('lounge', 'lounge', 'voice'), ('chat', 'chat', 'text');
