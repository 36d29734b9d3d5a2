# A ledger is dumped and restored like any other schema, by its owner, who need be
# no superuser; and DROP EXTENSION cannot destroy a record of usage.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('dump');
$node->init;
# What is pending stays so until the test folds it.
$node->append_conf('postgresql.conf', "timezone = 'UTC'\nlog_statement = none\nusage_meter.fold_threshold = 0\n");
$node->start;

my @ledgers = ('usage', '"Second Ledger"');

# SQL on behalf of a role: exit status, output, errors.
sub as
{
	my ($user, $database, $sql, %more) = @_;

	return $node->psql($database, $sql, extra_params => [ '-U', $user ], on_error_stop => 1, %more);
}

# ---- a database worth dumping ---------------------------------------------

# One ledger with every kind of execution, some in partitions of their own and some
# in the default partition, some folded and some not, with additions by its owner.
sub fill
{
	my ($ledger) = @_;
	my $name = $ledger =~ s/"//gr;

	return qq{
SELECT create_source_views(source || ' of $name', source, '$name') FROM unnest('{partner_sla,dashboard,ai_usage_log,execution_history,api_usage}'::text[]) AS source;
SET search_path = $ledger, public;
ALTER TABLE execution_history ADD COLUMN invoice_no text, ADD COLUMN dropped integer;
COMMENT ON COLUMN execution_history.invoice_no IS 'where it was billed';
CREATE INDEX execution_history_invoice_idx ON execution_history (invoice_no) WHERE invoice_no IS NOT NULL;
ALTER TABLE execution_history DROP COLUMN dropped;
SELECT set_price('acme', 'echo', input_per_million => 0.1234567891, output_per_million => 1, valid_from => '-infinity');
SELECT set_price('acme', 'echo', input_per_million => 3, output_per_million => 15, valid_from => '2020-02-15');
SELECT set_price('acme', 'echo', input_per_million => 1, output_per_million => 2, valid_from => '2020-01-01', customer_id => 'ann');
INSERT INTO execution_history (customer_id, project_id, user_id, provider, model, created_at, input_tokens, output_tokens,
    cache_read_tokens, duration_ms, queue_time_ms, status, byok, token_source, metadata, invoice_no)
SELECT (ARRAY['ann', 'bob', 'O''Neill', 'quote"d'])[1 + number % 4], nullif('project ' || number % 3, 'project 0'), 'user ' || number % 5,
       'acme', CASE WHEN number % 11 = 0 THEN 'unheard of' ELSE 'echo' END,
       CASE WHEN number % 10 = 0 THEN now() ELSE '2020-01-20'::timestamptz + number * interval '77 minutes 7.123456 seconds' END,
       number, number * 3, nullif(number % 7, 0), nullif(number % 9, 0) * 100.125, number % 4,
       (ARRAY['success', 'success', 'failed', 'timeout', 'running', 'cancelled'])[1 + number % 6], number % 13 = 0,
       CASE WHEN number % 8 = 0 THEN 'estimated' END, jsonb_build_object('number', number), 'invoice ' || nullif(number % 5, 0)
FROM generate_series(1, 1000) AS number;
SELECT fold();
SELECT adopt_default_rows();
INSERT INTO execution_history (customer_id, provider, model, created_at, input_tokens)
SELECT 'late', 'acme', 'echo', '2019-06-01'::timestamptz + number * interval '1 day', number FROM generate_series(1, 60) AS number;
UPDATE execution_history SET deleted_at = '2020-06-01', deleted_reason = 'on request' WHERE input_tokens % 37 = 0;
UPDATE execution_history SET status = 'success', output_tokens = 7 WHERE status = 'running' AND input_tokens % 4 = 0;
SELECT credit(0.5, 'goodwill', customer_id => 'ann');
SELECT credit(0.000000001, 'late', customer_id => 'late');
INSERT INTO execution_payloads (execution_id, created_at, input_data)
SELECT id, created_at, '{"prompt": "hello"}' FROM execution_history WHERE input_tokens < 5;
REFRESH MATERIALIZED VIEW sla_metrics;
REFRESH MATERIALIZED VIEW leaderboards;
RESET search_path;
};
}

# ---- what must be the same everywhere -------------------------------------

# Restored for the first time, nameless columns in an arm of a UNION get the names
# that PostgreSQL would have given them.
sub normal
{
	return "regexp_replace($_[0], '(::\\w+) AS (text|int4)\\y', '\\1', 'g')";
}

my $in_ledger = q{(SELECT oid FROM pg_namespace WHERE nspname IN ('usage', 'Second Ledger'))};
my %catalogue = (
	relations => qq{
		SELECT c.oid::regclass, c.relkind, c.relreplident, c.reloptions, c.relacl, pg_get_userbyid(c.relowner), pg_get_expr(c.relpartbound, c.oid),
		       pg_get_partkeydef(c.oid), obj_description(c.oid, 'pg_class'), CASE WHEN c.relkind = 'v' THEN } . normal('pg_get_viewdef(c.oid)') . qq{ END
		FROM pg_class AS c WHERE c.relnamespace IN $in_ledger},
	inheritance => qq{
		SELECT i.inhrelid::regclass, i.inhparent::regclass
		FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid WHERE c.relnamespace IN $in_ledger},
	columns => qq{
		SELECT a.attrelid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attstorage,
		       a.attcollation::regcollation, pg_get_expr(d.adbin, d.adrelid), col_description(a.attrelid, a.attnum)
		FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
		LEFT JOIN pg_attrdef AS d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
		WHERE c.relnamespace IN $in_ledger AND a.attnum > 0 AND NOT a.attisdropped},
	indexes => qq{
		SELECT i.indexrelid::regclass, pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisprimary, i.indisreplident,
		       obj_description(i.indexrelid, 'pg_class')
		FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid WHERE c.relnamespace IN $in_ledger},
	constraints => qq{
		SELECT k.conrelid::regclass, k.conname, k.convalidated, k.coninhcount, pg_get_constraintdef(k.oid)
		FROM pg_constraint AS k WHERE k.connamespace IN $in_ledger},
	triggers => qq{
		SELECT t.tgrelid::regclass, t.tgname, t.tgenabled, t.tgparentid <> 0, pg_get_triggerdef(t.oid), obj_description(t.oid, 'pg_trigger')
		FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid WHERE c.relnamespace IN $in_ledger AND NOT t.tgisinternal},
	functions => qq{
		SELECT p.oid::regprocedure, pg_get_userbyid(p.proowner), p.proacl, } . normal('pg_get_functiondef(p.oid)') . qq{, obj_description(p.oid, 'pg_proc')
		FROM pg_proc AS p WHERE p.pronamespace IN $in_ledger},
	schemas => qq{
		SELECT n.oid::regnamespace, pg_get_userbyid(n.nspowner), n.nspacl, obj_description(n.oid, 'pg_namespace')
		FROM pg_namespace AS n WHERE n.oid IN $in_ledger},
	extension => q{
		SELECT e.extname, e.extversion, e.extnamespace::regnamespace, pg_get_userbyid(e.extowner) FROM pg_extension AS e},
	'default privileges' => q{SELECT d.defaclnamespace::regnamespace, d.defaclobjtype, d.defaclacl FROM pg_default_acl AS d});

my @reports = (
	q{SELECT * FROM summary('all')},
	q{SELECT * FROM summary(since => '2020-01-25 01:02:03', until => '2020-02-20 20:20:20.2', time_zone => 'America/New_York')},
	q{SELECT * FROM daily('all')},
	q{SELECT * FROM daily(since => '2020-01-25', until => '2020-02-25', filter => '{"customer_id": "ann"}', time_zone => 'Asia/Kathmandu')},
	q{SELECT * FROM models('all')},
	q{SELECT * FROM usage_report('{customer_id,project_id,user_id}', 'day', 'all') ORDER BY starts, customer_id, project_id, user_id},
	q{SELECT * FROM usage_aggregates ORDER BY id},
	q{SELECT finding, level, count FROM health()});

# All tables of the ledgers with the number and a digest of their rows.
sub tables
{
	my ($database) = @_;

	return $node->safe_psql($database, qq{
		SELECT c.oid::regclass,
		       (xpath('//row/row/text()', query_to_xml(format(
		           CASE c.relkind WHEN 'S' THEN 'SELECT concat(last_value, '' '', is_called) AS row FROM %s'
		           ELSE 'SELECT concat(count(*), '' '', md5(string_agg(t::text, chr(10) ORDER BY t::text COLLATE "C"))) AS row FROM %s AS t' END,
		           c.oid::regclass), false, true, '')))[1]
		FROM pg_class AS c WHERE c.relnamespace IN $in_ledger AND c.relkind IN ('r', 'p', 'S', 'm')
		ORDER BY c.oid::regclass::text COLLATE "C"});
}

sub portrait
{
	my ($database) = @_;
	my %portrait = (tables => tables($database));

	$portrait{$_} = $node->safe_psql($database,
		"SELECT o.row FROM ($catalogue{$_}) AS q, LATERAL (SELECT q::text) AS o (row) ORDER BY o.row COLLATE \"C\"")
	  foreach keys %catalogue;
	foreach my $ledger (@ledgers)
	{
		$portrait{"$ledger: $_"} = $node->safe_psql($database, "SET search_path = $ledger, public; $_") foreach @reports;
	}
	return \%portrait;
}

sub is_same
{
	my ($database, $expected) = @_;
	my $found = portrait($database);

	foreach my $aspect (sort keys %$expected)
	{
		# a plan may change the order, when statistics have been gathered meanwhile
		my @found = sort split /\n/, $found->{$aspect};
		my @expected = sort split /\n/, $expected->{$aspect};
		my %found = map { $_ => 1 } @found;
		my %expected = map { $_ => 1 } @expected;

		ok("@found" eq "@expected", "$database: same $aspect")
		  or diag((map { "- $_\n" } grep { !$found{$_} } sort keys %expected), (map { "+ $_\n" } grep { !$expected{$_} } sort keys %found));
	}
}

# The ledger works: what comes is priced, counted and folded.
sub is_alive
{
	my ($database, $user) = @_;

	foreach my $ledger (@ledgers)
	{
		my $sql = sub {
			my ($status, $out, $err) = as($user, $database, "SET search_path = $ledger, public; $_[0]");
			return $status == 0 ? $out : $err;
		};
		my $before = $sql->(q{SELECT executions FROM summary('all')});

		is($sql->('SELECT * FROM reconcile() LIMIT 10'), '', "$database: nothing to reconcile in $ledger");
		is( $sql->(q{
				INSERT INTO execution_history (customer_id, provider, model, created_at, input_tokens)
				VALUES ('new', 'acme', 'echo', now(), 1000000), ('new', 'acme', 'echo', '2020-02-10', 1000000), ('new', 'acme', 'echo', '2019-01-01', 1000000);
				SELECT trim_scale(sum(cost)) FROM execution_history WHERE customer_id = 'new'}),
			'3.2469135782', "$database: $ledger prices what comes");
		is($sql->(q{SELECT executions FROM summary('all')}), $before + 3, "$database: $ledger counts what comes");
		is($sql->('SELECT * FROM reconcile() LIMIT 10'), '', "$database: nothing to reconcile in $ledger after an INSERT");
		cmp_ok($sql->('SELECT fold()'), '>', 3, "$database: $ledger folds what was pending before and after the dump");
		is($sql->('SELECT * FROM reconcile() LIMIT 10'), '', "$database: nothing to reconcile in $ledger after a fold");
		is($sql->('SELECT count(*) FROM usage_deltas'), 0, "$database: nothing pending in $ledger");
		is( $sql->(q{
				SELECT set_price('acme', 'echo', input_per_million => 5, valid_from => '-infinity') IS NOT NULL;
				INSERT INTO execution_history (customer_id, provider, model, created_at, input_tokens) VALUES ('newer', 'acme', 'echo', '2019-01-01', 1000000);
				SELECT trim_scale(cost) FROM execution_history WHERE customer_id = 'newer'}),
			"t\n5", "$database: $ledger takes a new price");
		my $views = 'ai_usage_log of ' . $ledger =~ s/"//gr;
		is($sql->(qq{INSERT INTO "$views".ai_usage_log (user_id, prompt_tokens, model_name) VALUES ('u', 5, 'echo') RETURNING total_tokens, cost}),
			'5|0.000015', "$database: source views of $ledger take what comes");
		cmp_ok($sql->('SELECT adopt_default_rows()'), '>', 0, "$database: $ledger makes partitions");
		is($sql->('SELECT * FROM reconcile() LIMIT 10'), '', "$database: nothing to reconcile in $ledger in the end");
		is($sql->(q{SELECT count(*) FROM health() WHERE level = 'critical'}), 0, "$database: $ledger is in good health");
	}
}

# ---- dump and restore -----------------------------------------------------

my $scratch = PostgreSQL::Test::Utils::tempdir();

# Runs a program against the node; it must have nothing to complain of.
sub is_quiet
{
	my ($name, @command) = @_;
	my @connection = ('-h', $node->host, '-p', $node->port);
	my ($out, $err) = ('', '');
	my $ok = IPC::Run::run([ shift @command, @connection, @command ], '<', \undef, '>', \$out, '2>', \$err);

	ok($ok, "$name ends well");
	is($err, '', "$name has nothing to complain of");
}

sub restore_plain
{
	my ($from, $to, $user) = @_;

	is_quiet("pg_dump of $from", 'pg_dump', '-U', $user, '-f', "$scratch/$from.sql", $from);
	is_quiet("psql into $to", 'psql', '-X', '-q', '-U', $user, '-v', 'ON_ERROR_STOP=1', '-f', "$scratch/$from.sql", $to);
}

sub restore_archive
{
	my ($from, $to, $user, @options) = @_;

	is_quiet("pg_dump -Fc of $from", 'pg_dump', '-Fc', '-U', $user, '-f', "$scratch/$from.dump", $from);
	is_quiet("pg_restore into $to", 'pg_restore', '-e', '-U', $user, @options, '-d', $to, "$scratch/$from.dump");
}

my $superuser = $node->safe_psql('postgres', 'SELECT current_user');

$node->safe_psql('postgres', "CREATE DATABASE $_") foreach qw(source plain archived parallel);
$node->safe_psql('source',
	'CREATE EXTENSION usage_meter;' . join('', map { "SELECT create_usage_ledger('" . s/"//gr . "');" . fill($_) } @ledgers)
	  . 'GRANT USAGE ON SCHEMA usage TO PUBLIC; GRANT INSERT ON usage.execution_history TO PUBLIC;');

# It is worth dumping.
foreach my $ledger (@ledgers)
{
	is( $node->safe_psql('source', qq{
			SELECT (SELECT count(*) > 0 FROM $ledger.usage_deltas), (SELECT count(*) > 0 FROM $ledger.usage_cubes),
			       (SELECT count(DISTINCT tableoid) > 3 FROM $ledger.execution_history), (SELECT count(*) FROM $ledger.execution_history_default),
			       unpriced > 0 AND byok > 0 AND open > 0 AND estimated > 0 AND cost < billed_cost,
			       (SELECT sum(credited_cost) FROM $ledger.execution_history) FROM $ledger.summary('all')}),
		't|t|t|60|t|0.500000001', "source: $ledger has something of everything");
}

my $source = portrait('source');
restore_plain('source', 'plain', $superuser);
restore_archive('source', 'archived', $superuser);
restore_archive('source', 'parallel', $superuser, '-j', 2);
is_same($_, $source) foreach qw(plain archived parallel);
is_alive($_, $superuser) foreach qw(plain parallel);

# A dump of what was restored is the same again.
$node->safe_psql('postgres', 'CREATE DATABASE again');
restore_plain('archived', 'again', $superuser);
is_same('again', $source);

# ---- DROP EXTENSION -------------------------------------------------------

my $log_before = -s $node->logfile;
my ($status, $out, $err) = $node->psql('archived', '\set VERBOSITY verbose' . "\nDROP EXTENSION usage_meter;\n");
isnt($status, 0, 'DROP EXTENSION is refused');
like($err, qr/ERROR:  2BP01: cannot drop extension usage_meter because other objects depend on it/, 'for the right reason');
like($err, qr/HINT:  Use DROP \.\.\. CASCADE/, 'with the usual hint');
# The client is shown the first hundred only.
my $dependents = slurp_file($node->logfile, $log_before);
like($dependents, qr/trigger append_deltas_of_insert on table usage\.execution_history depends on /, 'the triggers of the history are named');
like($dependents, qr/column duration_sketch of table usage\.usage_cubes depends on /, 'and the sketches');
unlike($dependents, qr/(?:^\t|DETAIL:  )(?:table|schema|column cost of table) \S+ depends on /m, 'but no table, schema or cost');
is_same('archived', $source);

my $records = q{
	SELECT count(*), md5(string_agg(e::text, chr(10) ORDER BY e.id)), sum(cost), sum(reported_cost), sum(shadow_cost), sum(total_tokens), count(price_id)
	FROM %1$s.execution_history AS e
	UNION ALL
	SELECT count(*), md5(string_agg(p::text, chr(10) ORDER BY p.price_id, r.unit)), sum(r.price), NULL, NULL, NULL, NULL
	FROM %1$s.prices AS p LEFT JOIN %1$s.price_rates AS r USING (price_id)
	UNION ALL
	SELECT count(*), md5(string_agg(p::text, chr(10) ORDER BY p.execution_id)), NULL, NULL, NULL, NULL, NULL FROM %1$s.execution_payloads AS p
	UNION ALL
	SELECT count(*), NULL, sum(cost), sum(billed_cost), sum(shadow_cost), sum(executions), sum(duration_us) FROM %1$s.usage_cubes
	UNION ALL
	SELECT count(*), NULL, sum(cost), sum(billed_cost), sum(shadow_cost), sum(executions), sum(duration_us) FROM %1$s.usage_deltas};
my %records = map { $_ => $node->safe_psql('archived', sprintf($records, $_)) } @ledgers;
$node->safe_psql('archived', 'SET client_min_messages = warning; DROP EXTENSION usage_meter CASCADE');
is($node->safe_psql('archived', sprintf($records, $_)), $records{$_}, "DROP EXTENSION CASCADE leaves every record of $_")
  foreach @ledgers;

# ---- an owner who is no superuser -----------------------------------------

$node->safe_psql('postgres', q{
	CREATE ROLE app LOGIN;
	CREATE ROLE writer LOGIN;
	CREATE DATABASE owned;
	CREATE DATABASE owned_plain;
	CREATE DATABASE owned_archived;
	REVOKE ALL ON DATABASE owned, owned_plain, owned_archived FROM PUBLIC;
	GRANT CONNECT, CREATE ON DATABASE owned, owned_plain, owned_archived TO app;
	GRANT CONNECT, TEMPORARY ON DATABASE owned, owned_plain, owned_archived TO writer});

sub works
{
	my ($user, $database, $sql, $name) = @_;
	my ($status, $out, $err) = as($user, $database, $sql);

	is("$status $err", '0 ', $name);
	return $out;
}

works('app', 'owned', 'CREATE EXTENSION usage_meter', 'a role that may only CREATE in the database installs the extension');
works('app', 'owned', "SET client_min_messages = warning; SELECT create_usage_ledger('" . s/"//gr . "');" . fill($_), "and makes and uses the ledger $_")
  foreach @ledgers;
works('app', 'owned', 'GRANT USAGE ON SCHEMA usage TO writer; GRANT INSERT ON usage.execution_history TO writer', 'and lets another write');
is($node->safe_psql('owned', "SELECT count(*) FROM pg_class WHERE relnamespace IN $in_ledger AND relowner <> 'app'::regrole"), 0, 'all is its own');

my $owned = portrait('owned');
restore_plain('owned', 'owned_plain', 'app');
restore_archive('owned', 'owned_archived', 'app');
is_same($_, $owned) foreach qw(owned_plain owned_archived);
is_alive($_, 'app') foreach qw(owned owned_plain owned_archived);

# ---- a writer who may do nothing else -------------------------------------

foreach my $database (qw(owned owned_archived))
{
	my $before = $node->safe_psql($database, q{SELECT executions FROM usage.summary('all')});

	works('writer', $database, q{
		INSERT INTO usage.execution_history (customer_id, provider, model, created_at, input_tokens)
		VALUES ('w', 'acme', 'echo', '2020-03-01', 1000000), ('w', 'acme', 'echo', '2010-03-01', 1000000), ('w', 'acme', 'unheard of', now(), 1)},
		"$database: a writer inserts");
	works('writer', $database, "COPY usage.execution_history (customer_id, provider, model, created_at, input_tokens) FROM STDIN;\nw\tacme\techo\t2020-03-02\t1000000\n\\.\n",
		"$database: and copies");
	works('writer', $database, q{
		CREATE TEMP TABLE prices AS SELECT 1 AS price_id, 'acme'::text AS provider, 'delta'::text AS model, ''::text AS customer_id, ''::text AS customer_tier,
			'-infinity'::timestamptz AS valid_from, 'infinity'::timestamptz AS valid_to;
		CREATE TEMP TABLE price_rates AS SELECT 1 AS price_id, 'input_token'::text AS unit, 0::numeric AS price;
		CREATE TEMP TABLE usage_deltas (nothing integer);
		SET search_path = pg_temp, usage;
		INSERT INTO execution_history (customer_id, provider, model, created_at, input_tokens)
		VALUES ('w', 'acme', 'echo', '2020-03-03', 1000000), ('w', 'acme', 'delta', '2020-03-03', 1000000)},
		"$database: tables of its own do not deceive the ledger");
	is($node->safe_psql($database, q{SELECT created_at::date, model, trim_scale(cost), price_status FROM usage.execution_history WHERE customer_id = 'w' AND created_at < '2021-01-01' ORDER BY created_at, model}),
		"2010-03-01|echo|5|priced\n2020-03-01|echo|3|priced\n2020-03-02|echo|3|priced\n2020-03-03|delta||unpriced\n2020-03-03|echo|3|priced",
		"$database: its executions are priced");
	is($node->safe_psql($database, q{SELECT executions, trim_scale(cost), unpriced FROM usage.summary('all', filter => '{"customer_id": "w"}')}), '6|14|2',
		"$database: and counted");
	is($node->safe_psql($database, q{SELECT executions FROM usage.summary('all')}), $before + 6, "$database: once");
	is($node->safe_psql($database, 'SELECT * FROM usage.reconcile() LIMIT 10'), '', "$database: nothing to reconcile");

	foreach my $sql (
		'SELECT count(*) FROM usage.execution_history', 'SELECT count(*) FROM usage.execution_history_default',
		'SELECT count(*) FROM usage.prices', 'SELECT count(*) FROM usage.price_rates',
		'SELECT count(*) FROM usage.usage_deltas', 'SELECT count(*) FROM usage.usage_cubes', 'SELECT count(*) FROM usage.system_day',
		'SELECT count(*) FROM usage.ledger', 'SELECT count(*) FROM usage.execution_payloads', 'SELECT count(*) FROM usage.usage_aggregates',
		q{SELECT * FROM usage.summary('all')}, q{SELECT * FROM usage.usage_read('-infinity', 'infinity')}, 'SELECT * FROM usage.reconcile()',
		'SELECT * FROM usage.health()', 'SELECT usage.fold()', 'SELECT usage.adopt_default_rows()',
		q{SELECT usage.create_partition('2001-01-01')},
		q{SELECT usage.set_price('acme', 'echo', input_per_million => 0)},
		'UPDATE usage.execution_history SET deleted_at = now()', 'DELETE FROM usage.execution_history',
		'TRUNCATE usage.execution_history', 'INSERT INTO usage.usage_deltas DEFAULT VALUES', 'DELETE FROM usage.usage_deltas',
		q{INSERT INTO usage.execution_history_default (customer_id) VALUES ('w')},
		q{INSERT INTO usage.execution_history (customer_id) VALUES ('w') RETURNING cost})
	{
		my ($status, $out, $err) = as('writer', $database, $sql);
		like($err, qr/ERROR:  (permission denied for|must be owner of) /, "$database: a writer may not: $sql");
	}
	is($node->safe_psql($database, q{SELECT executions FROM usage.summary('all')}), $before + 6, "$database: and has not");
}

$node->stop;
done_testing();
