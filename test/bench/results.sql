-- What was measured, for table.sql.

CREATE TABLE bench.results (
    line      integer GENERATED ALWAYS AS IDENTITY,
    bar       text NOT NULL,
    what      text NOT NULL,
    unit      text NOT NULL,
    baseline  float8,
    ours      float8 NOT NULL,
    relation  text CHECK (relation IN ('<=', '>=')),
    bound     float8
);

CREATE TABLE bench.notes (note text NOT NULL);
