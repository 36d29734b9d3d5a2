-- Equality of several texts inside an exclusion constraint, without another extension:
-- a range that holds one key overlaps exactly the range that holds the same key.

CREATE TYPE text_key AS RANGE (SUBTYPE = text[], COLLATION = "C");

COMMENT ON TYPE text_key IS
'A range of text arrays. text_key(key, key, ''[]'') && text_key(other, other, ''[]'') is key = other, in a form that a GiST exclusion constraint accepts.';
