-- The directory: what the ids that executions carry stand for. Executions do not need it: one that names a customer, project,
-- user, key or section which is not here is metered all the same. Hence no foreign keys from execution_history, which
-- would cost an INSERT 1.3 times as much, and a bulk load twice.

CREATE TABLE customers (
    customer_id        text         NOT NULL DEFAULT uuid_v7() PRIMARY KEY,
    name               text,
    partner_code       text         CONSTRAINT customers_partner_code_key UNIQUE,
    integration_flags  jsonb        NOT NULL DEFAULT '{}',
    is_active          boolean      NOT NULL DEFAULT true,
    created_at         timestamptz  NOT NULL DEFAULT now(),
    CONSTRAINT customers_integration_flags_object CHECK (jsonb_typeof(integration_flags) = 'object')
);

COMMENT ON TABLE customers IS 'Customers (tenants); a partner is a customer with a partner_code';
COMMENT ON COLUMN customers.customer_id IS 'customer_id of its executions';
COMMENT ON COLUMN customers.name IS 'Name for people';
COMMENT ON COLUMN customers.partner_code IS 'Short name of a partner; NULL if it is none';
COMMENT ON COLUMN customers.integration_flags IS 'Which integrations it uses, such as {"lms": true}';
COMMENT ON COLUMN customers.is_active IS 'Is it served?';
COMMENT ON COLUMN customers.created_at IS 'Since when it is known';
COMMENT ON INDEX customers_pkey IS 'A customer by its id';
COMMENT ON INDEX customers_partner_code_key IS 'A partner by its code';

CREATE TABLE projects (
    project_id      text         NOT NULL DEFAULT uuid_v7() PRIMARY KEY,
    customer_id     text,
    name            text,
    client_name     text,
    client_contact  text,
    created_at      timestamptz  NOT NULL DEFAULT now(),
    deleted_at      timestamptz
);

COMMENT ON TABLE projects IS 'Projects. One that is deleted stays, and so does its usage, which was billed.';
COMMENT ON COLUMN projects.project_id IS 'project_id of its executions';
COMMENT ON COLUMN projects.customer_id IS 'Customer to whom it belongs';
COMMENT ON COLUMN projects.name IS 'Name for people';
COMMENT ON COLUMN projects.client_name IS 'For whom it is done';
COMMENT ON COLUMN projects.client_contact IS 'How to reach them';
COMMENT ON COLUMN projects.created_at IS 'Since when it is known';
COMMENT ON COLUMN projects.deleted_at IS 'When it was deleted';
COMMENT ON INDEX projects_pkey IS 'A project by its id';

CREATE TABLE users (
    user_id     text         NOT NULL DEFAULT uuid_v7() PRIMARY KEY,
    username    text,
    email       text,
    created_at  timestamptz  NOT NULL DEFAULT now()
);

COMMENT ON TABLE users IS 'What people see of a user. A row may be erased at any time: usage keeps the user_id only.';
COMMENT ON COLUMN users.user_id IS 'user_id of his executions';
COMMENT ON COLUMN users.username IS 'Name for people';
COMMENT ON COLUMN users.email IS 'Address';
COMMENT ON COLUMN users.created_at IS 'Since when he is known';
COMMENT ON INDEX users_pkey IS 'A user by his id';

CREATE TABLE api_keys (
    api_key_id   text         NOT NULL DEFAULT uuid_v7() PRIMARY KEY,
    customer_id  text         NOT NULL REFERENCES customers ON UPDATE CASCADE,
    seat_name    text         NOT NULL,
    environment  text         NOT NULL DEFAULT 'production',
    key_prefix   text,
    key_hash     bytea,
    is_active    boolean      NOT NULL DEFAULT true,
    created_at   timestamptz  NOT NULL DEFAULT now(),
    revoked_at   timestamptz,
    CONSTRAINT api_keys_seat_key UNIQUE (customer_id, environment, seat_name),
    CONSTRAINT api_keys_key_hash_is_hash CHECK (octet_length(key_hash) BETWEEN 20 AND 64)
);

COMMENT ON TABLE api_keys IS 'API keys: the seats of a customer. The secret itself is kept nowhere.';
COMMENT ON COLUMN api_keys.api_key_id IS 'api_key_id of its executions';
COMMENT ON COLUMN api_keys.customer_id IS 'Customer to whom it belongs';
COMMENT ON COLUMN api_keys.seat_name IS 'Name of the seat, one of its kind in an environment of a customer';
COMMENT ON COLUMN api_keys.environment IS 'Environment it is good for: production, sandbox, …';
COMMENT ON COLUMN api_keys.key_prefix IS 'First characters of the secret, by which people recognise it';
COMMENT ON COLUMN api_keys.key_hash IS 'Hash of the secret, of 20 to 64 bytes';
COMMENT ON COLUMN api_keys.is_active IS 'May it be used?';
COMMENT ON COLUMN api_keys.created_at IS 'When it was made';
COMMENT ON COLUMN api_keys.revoked_at IS 'When it was revoked';
COMMENT ON INDEX api_keys_pkey IS 'A key by its id';
COMMENT ON INDEX api_keys_seat_key IS 'A seat by its name';

CREATE TABLE sections (
    section       text     NOT NULL PRIMARY KEY,
    display_name  text     NOT NULL,
    color         text     NOT NULL DEFAULT '#757575',
    place         integer  NOT NULL DEFAULT 1000,
    CONSTRAINT sections_color_is_color CHECK (color ~ '^#[0-9a-f]{6}$')
);

COMMENT ON TABLE sections IS 'Sections: features of the application that use models. Change them at will.';
COMMENT ON COLUMN sections.section IS 'section of its executions';
COMMENT ON COLUMN sections.display_name IS 'Name for people';
COMMENT ON COLUMN sections.color IS 'Its colour on screens, #rrggbb';
COMMENT ON COLUMN sections.place IS 'Its place in lists';
COMMENT ON INDEX sections_pkey IS 'A section by its name';

INSERT INTO sections (place, section, display_name, color) VALUES
    (1,  'chat',                    'Customer Chat',            '#1976d2'),
    (2,  'prompt_generation',       'Prompt Generation',        '#7b1fa2'),
    (3,  'marketing_workflow',      'Marketing Workflow',       '#c2185b'),
    (4,  'knowledge_base_qa',       'Knowledge Base Q&A',       '#388e3c'),
    (5,  'product_recommendation',  'Product Recommendation',   '#f57c00'),
    (6,  'rag_pipeline',            'RAG Pipeline',             '#0097a7'),
    (7,  'web_knowledge',           'Web Knowledge Processing', '#5d4037'),
    (8,  'session_memory',          'Session Memory Summary',   '#512da8'),
    (9,  'intent_detection',        'Intent Detection',         '#afb42b'),
    (10, 'embedding_generation',    'Embedding Generation',     '#00796b'),
    (11, 'other',                   'Other',                    '#757575');
