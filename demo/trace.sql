-- A trace with the columns TIMESTAMP (taken as UTC), ContextTokens and GeneratedTokens, read from standard input.
SET timezone = 'UTC';
SET search_path = usage;

SELECT set_price('azure', 'gpt-4o', input_per_million => 2.5, output_per_million => 10, valid_from => '-infinity') AS price_id \gset

CREATE TEMPORARY TABLE trace (created_at timestamptz, input_tokens bigint, output_tokens bigint);
\copy trace FROM pstdin WITH (FORMAT csv, HEADER)

INSERT INTO execution_history (created_at, customer_id, provider, model, input_tokens, output_tokens)
SELECT created_at, 'trace', 'azure', 'gpt-4o', input_tokens, output_tokens FROM trace;

SELECT adopt_default_rows() AS adopted, fold() AS folded \gset
