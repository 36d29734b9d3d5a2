-- Sums whose state is the sum itself. sum() keeps 60 to 250 bytes of working state for each column of each group, because
-- it must not overflow; a ledger sums twenty columns for hundreds of thousands of groups, and bounds what it adds.

CREATE AGGREGATE total(bigint) (
    SFUNC = int8pl, STYPE = bigint, COMBINEFUNC = int8pl, PARALLEL = SAFE
);

COMMENT ON AGGREGATE total(bigint) IS
'Sum of integers as an integer, NULL if there is none. Raises 22003 when it does not fit into 64 bits.';

CREATE AGGREGATE total(numeric) (
    SFUNC = numeric_add, STYPE = numeric, COMBINEFUNC = numeric_add, PARALLEL = SAFE
);

COMMENT ON AGGREGATE total(numeric) IS
'Exact sum of numbers, NULL if there is none. The same as sum(), in less memory.';
