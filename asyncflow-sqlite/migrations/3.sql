-- Large parts lie in a table of their own, found by number: among parts, which are found by their job, each step of a search would read one
-- to its end. Those that are there already stay where they are.
CREATE TABLE large (
    id    INTEGER PRIMARY KEY,
    bytes BLOB    NOT NULL
) STRICT;
ALTER TABLE parts ADD COLUMN large INTEGER;
CREATE TRIGGER large_goes AFTER DELETE ON parts WHEN old.large IS NOT NULL BEGIN
    DELETE FROM large WHERE id = old.large;
END;
