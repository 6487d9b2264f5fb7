-- How an endpoint wants its events: 'standard' (Standard Webhooks) or 'livekit'.
ALTER TABLE endpoint ADD COLUMN form TEXT NOT NULL DEFAULT 'standard';
