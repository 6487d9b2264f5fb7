-- The secret before the last rotation, which signs as well until receivers have changed over.
ALTER TABLE endpoint ADD COLUMN old_secret BLOB;
ALTER TABLE endpoint ADD COLUMN old_until INTEGER;
