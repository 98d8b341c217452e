CREATE TABLE users (
    id           text   NOT NULL PRIMARY KEY,
    display_name text   NOT NULL,
    -- Opaque text of the client's choosing; empty means none.
    pubkey       text   NOT NULL DEFAULT '',
    created_at   bigint NOT NULL DEFAULT extract(epoch FROM now())::bigint
);
