-- Names of models and providers. A price is found under the name that an execution gives, under what an alias stands for,
-- or under a form of the name that is known to mean the same; never by likeness.

CREATE TABLE model_aliases (
    provider         text    NOT NULL,
    model            text    NOT NULL DEFAULT '',
    priced_provider  text    NOT NULL,
    priced_model     text    NOT NULL DEFAULT '',
    rank             integer NOT NULL DEFAULT 1,
    PRIMARY KEY (provider, model, priced_provider),
    CONSTRAINT model_aliases_both_models CHECK ((model = '') = (priced_model = ''))
);

CREATE UNIQUE INDEX model_aliases_one_model ON model_aliases (provider, model) WHERE model <> '';

COMMENT ON TABLE model_aliases IS 'Other names: a model that is priced as another one, such as a deployment, or with empty models a provider whose prices are listed under another name';
COMMENT ON COLUMN model_aliases.provider IS 'Provider, as executions name it; in lower case where it stands for itself';
COMMENT ON COLUMN model_aliases.model IS 'Model, as executions name it; '''' for every model of the provider';
COMMENT ON COLUMN model_aliases.priced_provider IS 'Provider under which the price is listed';
COMMENT ON COLUMN model_aliases.priced_model IS 'Model under which the price is listed; '''' for the same';
COMMENT ON COLUMN model_aliases.rank IS 'Order in which several other names of a provider are tried';
COMMENT ON INDEX model_aliases_pkey IS 'What a name stands for';
COMMENT ON INDEX model_aliases_one_model IS 'A model is priced as one other model';

CREATE TRIGGER forget_prices AFTER INSERT OR UPDATE OR DELETE ON model_aliases
    FOR EACH ROW EXECUTE FUNCTION forget_prices();
CREATE TRIGGER forget_all_prices AFTER TRUNCATE ON model_aliases
    FOR EACH STATEMENT EXECUTE FUNCTION forget_prices();
ALTER TABLE model_aliases ENABLE ALWAYS TRIGGER forget_prices;
ALTER TABLE model_aliases ENABLE ALWAYS TRIGGER forget_all_prices;
COMMENT ON TRIGGER forget_prices ON model_aliases IS 'Sessions drop what they remember of the price book';
COMMENT ON TRIGGER forget_all_prices ON model_aliases IS 'Sessions drop what they remember of the price book';

-- What applications, OpenTelemetry and the LiteLLM price map call the same provider. Only what is one and the same price list:
-- a model on another platform is another price.
INSERT INTO model_aliases (provider, priced_provider, rank)
SELECT name.provider, priced.provider, priced.rank
FROM (VALUES
    ('azure_openai',     '{azure}'),
    ('azure-openai',     '{azure}'),
    ('azure.ai.openai',  '{azure}'),
    ('azure.ai.inference', '{azure_ai}'),
    ('google',           '{gemini}'),
    ('gemini',           '{google}'),
    ('google_ai',        '{gemini,google}'),
    ('gcp.gemini',       '{gemini,google}'),
    ('gcp.gen_ai',       '{gemini,google}'),
    ('vertex_ai',        '{vertex_ai-language-models,vertex_ai-anthropic_models,vertex_ai-mistral_models,vertex_ai-llama_models,vertex_ai-ai21_models,vertex_ai-qwen_models,vertex_ai-deepseek_models,vertex_ai-openai_models,vertex_ai-zai_models,vertex_ai-minimax_models,vertex_ai-moonshot_models,vertex_ai-embedding-models,vertex_ai-image-models,vertex_ai-video-models,vertex_ai-text-models}'),
    ('bedrock',          '{bedrock_converse,amazon_nova}'),
    ('aws.bedrock',      '{bedrock,bedrock_converse,amazon_nova}'),
    ('aws_bedrock',      '{bedrock,bedrock_converse,amazon_nova}'),
    ('openai',           '{text-completion-openai}'),
    ('mistral_ai',       '{mistral}'),
    ('mistralai',        '{mistral}'),
    ('x_ai',             '{xai}'),
    ('x-ai',             '{xai}'),
    ('cohere',           '{cohere_chat}'),
    ('together',         '{together_ai}'),
    ('fireworks',        '{fireworks_ai,fireworks_ai-embedding-models}'),
    ('fireworks_ai',     '{fireworks_ai-embedding-models}'),
    ('ibm.watsonx.ai',   '{watsonx}'),
    ('alibaba',          '{dashscope}')
) AS name (provider, priced)
CROSS JOIN LATERAL unnest(name.priced::text[]) WITH ORDINALITY AS priced (provider, rank);

INSERT INTO model_aliases (provider, priced_provider, rank)
SELECT name.provider, priced.provider, priced.rank
FROM unnest('{gcp.vertex_ai,vertexai,google_vertex}'::text[]) AS name (provider)
CROSS JOIN LATERAL (
    SELECT 'vertex_ai', 0
    UNION ALL
    SELECT a.priced_provider, a.rank FROM model_aliases AS a WHERE a.provider = 'vertex_ai') AS priced (provider, rank);

CREATE FUNCTION resolve_model(provider text, model text, region text DEFAULT NULL, at timestamptz DEFAULT now())
RETURNS TABLE (priced_provider text, priced_model text, matched text, price_id bigint)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT p.provider, p.model, name.matched, p.price_id
    FROM book_names('prices'::regclass, resolve_model.provider, resolve_model.model, region) AS name
    JOIN prices AS p ON (p.provider, p.model) = (name.provider, name.model)
    WHERE p.valid_from <= at AND p.valid_to > at AND p.customer_id = '' AND p.customer_tier = ''
    ORDER BY name.rank
    LIMIT 1;
END;

COMMENT ON FUNCTION resolve_model(text, text, text, timestamptz) IS
'Which general price list an execution finds that names its model so, and how: exact; alias, by a row of model_aliases; or normalised: behind the provider (azure/gpt-4o), or without provider, region, vendor version (-v1:0, -001) or date (-20250514, -2024-05-13). No row: it has no price.';

CREATE FUNCTION model_provider(model text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT named.provider
    FROM (SELECT min(p.provider) AS provider, p.model = model_provider.model AS is_exact
          FROM prices AS p
          WHERE p.model IN (model_provider.model, regexp_replace(model_provider.model, '-([0-9]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2})$', ''))
          GROUP BY p.model
          HAVING count(DISTINCT p.provider) = 1) AS named
    ORDER BY named.is_exact DESC
    LIMIT 1;
END;

COMMENT ON FUNCTION model_provider(text) IS
'The one provider whose prices name the model, exactly or without its date, for callers who know the model only; NULL if there is none, or more than one.';
