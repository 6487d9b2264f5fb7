-- Times are milliseconds since the Unix epoch. Hashes are SHA-256, 32 bytes.

CREATE TABLE session (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of creation, for cursors
    id          TEXT    NOT NULL UNIQUE,
    external_id TEXT,
    spec        TEXT    NOT NULL,                   -- JSON: kind, modality, schedule, backup plan
    policy      TEXT    NOT NULL,                   -- JSON
    snapshot    TEXT,                               -- JSON: what a restart needs; none before anybody came
    version     INTEGER NOT NULL DEFAULT 1,         -- for ETag and If-Match: what a client of the API may edit
    event_seq   INTEGER NOT NULL DEFAULT 0,         -- last number given to one of its events
    created_at  INTEGER NOT NULL,
    ended_at    INTEGER
) STRICT;
CREATE INDEX session_running ON session (number) WHERE ended_at IS NULL;
CREATE INDEX session_ended ON session (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX session_external ON session (external_id) WHERE external_id IS NOT NULL;

CREATE TABLE ticket (
    id          TEXT    PRIMARY KEY,
    session     TEXT    NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    secret_hash BLOB    NOT NULL UNIQUE,
    identity    TEXT    NOT NULL,
    role        TEXT    NOT NULL,
    hand_over   INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    used_at     INTEGER,
    revoked_at  INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX ticket_session ON ticket (session);
CREATE INDEX ticket_expiry ON ticket (expires_at);

CREATE TABLE api_key (
    id          TEXT    PRIMARY KEY,
    secret_hash BLOB    NOT NULL,
    label       TEXT    NOT NULL,
    scopes      TEXT    NOT NULL,                   -- words, separated by spaces
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER,
    revoked_at  INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE consent (
    session     TEXT    NOT NULL,                   -- kept for longer than the session: no reference
    identity    TEXT    NOT NULL,
    text_id     TEXT    NOT NULL,
    sha256      BLOB    NOT NULL,
    accepted_at INTEGER NOT NULL,
    PRIMARY KEY (session, identity, text_id, sha256)
) STRICT, WITHOUT ROWID;
CREATE INDEX consent_time ON consent (accepted_at);

CREATE TABLE event (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    session     TEXT    NOT NULL,
    seq         INTEGER NOT NULL,                   -- 1, 2, 3 … within the session
    kind        TEXT    NOT NULL,
    body        TEXT    NOT NULL,                   -- JSON, thin
    at          INTEGER NOT NULL,
    UNIQUE (session, seq)
) STRICT;
CREATE INDEX event_time ON event (at);

CREATE TABLE endpoint (
    id          TEXT    PRIMARY KEY,
    url         TEXT    NOT NULL,
    secret      BLOB    NOT NULL,                   -- signs what is sent, so it cannot be a hash
    created_at  INTEGER NOT NULL,
    disabled_at INTEGER,
    pending     INTEGER NOT NULL DEFAULT 0          -- deliveries on their way to it, kept by the triggers below
) STRICT, WITHOUT ROWID;

CREATE TABLE delivery (
    endpoint    TEXT    NOT NULL REFERENCES endpoint (id) ON DELETE CASCADE,
    event       INTEGER NOT NULL REFERENCES event (number) ON DELETE CASCADE,
    session     TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts    INTEGER NOT NULL DEFAULT 0,
    next_at     INTEGER NOT NULL,
    PRIMARY KEY (endpoint, event)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_pending ON delivery (endpoint, session, event) WHERE state = 'pending';
CREATE INDEX delivery_next ON delivery (next_at) WHERE state = 'pending';
CREATE INDEX delivery_event ON delivery (event);

CREATE TRIGGER delivery_added AFTER INSERT ON delivery WHEN new.state = 'pending' BEGIN
    UPDATE endpoint SET pending = pending + 1 WHERE id = new.endpoint;
END;
CREATE TRIGGER delivery_removed AFTER DELETE ON delivery WHEN old.state = 'pending' BEGIN
    UPDATE endpoint SET pending = pending - 1 WHERE id = old.endpoint;
END;
CREATE TRIGGER delivery_moved AFTER UPDATE OF state ON delivery WHEN new.state <> old.state BEGIN
    UPDATE endpoint SET pending = pending + (new.state = 'pending') - (old.state = 'pending') WHERE id = new.endpoint;
END;

CREATE TABLE idempotency (
    scope       TEXT    NOT NULL,                   -- whose key it is
    key         TEXT    NOT NULL,
    request     BLOB    NOT NULL,                   -- hash of method, path and body
    status      INTEGER,                            -- none while in flight
    response    BLOB,
    at          INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_time ON idempotency (at);

CREATE TABLE audit (
    seq         INTEGER PRIMARY KEY,
    at          INTEGER NOT NULL,
    action      TEXT    NOT NULL,
    session     TEXT    NOT NULL,                   -- empty: none
    actor       TEXT    NOT NULL,                   -- pseudonym, 'server:<key id>' or 'system'
    subject     TEXT    NOT NULL,                   -- pseudonym or empty
    detail      TEXT    NOT NULL,                   -- words of ours, never input
    hash        BLOB    NOT NULL                    -- of the record before it and of this one
) STRICT;
CREATE INDEX audit_session ON audit (session, seq);

-- Where the chain begins (what retention took away ends there) and where it ends. One row.
CREATE TABLE audit_bounds (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    base_seq    INTEGER NOT NULL,
    base_hash   BLOB    NOT NULL,
    head_seq    INTEGER NOT NULL,
    head_hash   BLOB    NOT NULL
) STRICT;
INSERT INTO audit_bounds VALUES (1, 0, zeroblob(32), 0, zeroblob(32));
