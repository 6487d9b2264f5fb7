-- When a session is over if nobody comes to it. Those there are get what the API would say: planned ones their idle time
-- after the planned end, others a day.
ALTER TABLE session ADD COLUMN unused_until INTEGER NOT NULL DEFAULT 0;
UPDATE session SET unused_until = CASE
    WHEN json_extract(spec, '$.schedule.starts_at_ms') IS NULL THEN created_at + 86400000
    ELSE json_extract(spec, '$.schedule.starts_at_ms')
        + 60000 * (json_extract(spec, '$.schedule.planned_minutes') + coalesce(json_extract(policy, '$.idle_end_minutes'), 15))
    END;
CREATE INDEX session_unused ON session (unused_until) WHERE ended_at IS NULL AND snapshot IS NULL;
