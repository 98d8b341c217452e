CREATE TABLE channels (
    id         text   NOT NULL PRIMARY KEY,
    name       text   NOT NULL,
    kind       text   NOT NULL CHECK (kind IN ('voice', 'text')),
    created_at bigint NOT NULL DEFAULT extract(epoch FROM now())::bigint,
    -- The order of the list. Several channels may be made in the same second.
    position   bigint GENERATED ALWAYS AS IDENTITY
);

-- A row without a channel bans the user from every channel.
CREATE TABLE bans (
    user_id    text   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    channel_id text   REFERENCES channels (id) ON DELETE CASCADE,
    created_at bigint NOT NULL DEFAULT extract(epoch FROM now())::bigint
);

CREATE INDEX bans_by_user ON bans (user_id, channel_id);

INSERT INTO channels (id, name, kind)
VALUES ('general', 'general', 'voice'), ('lounge', 'lounge', 'voice'), ('chat', 'chat', 'text');
