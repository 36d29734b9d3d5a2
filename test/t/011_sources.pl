# The page on the systems that are replaced: every statement on it works as it stands, and their applications work with
# clients that prepare statements and send parameters in binary.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('sources');
$node->init;
$node->append_conf('postgresql.conf', "timezone = 'UTC'\n");
$node->start;

# ---- the page -------------------------------------------------------------

my $page = slurp_file("$ENV{USAGE_METER_DOC}/sources.md");
my @blocks = $page =~ /^```sql\n(.*?)^```$/msg;
is(scalar @blocks, 6, 'the page has a block for each source, and one before');
$node->safe_psql('postgres', join("\nRESET search_path;\n", @blocks));
is($node->safe_psql('postgres', q{
		SELECT source || ' ' || count(*) FROM usage.execution_history GROUP BY source ORDER BY source}),
	"ai_usage_log 4\napi_requests 2\napi_usage 1\nexecution_history 1\nvideo_generations 1", 'what it writes is metered');
is($node->safe_psql('postgres', q{SELECT executions, succeeded, failed, total_tokens, cost FROM usage.summary('all')}),
	'8|6|2|3565|0.0843', 'and in the reports, but what it deletes');
is($node->safe_psql('postgres', 'SELECT * FROM usage.reconcile()'), '', 'nothing to reconcile');

# Every path that the page names is answered by a statement.
my @endpoints = $page =~ /^-- ((?:GET|POST|PATCH|DELETE) \S+)/mg;
cmp_ok(scalar @endpoints, '>=', 24, 'the page answers every endpoint');

# ---- clients --------------------------------------------------------------

my $expected = join("\n", 'ada chat 15', 'incept POST 202 true', 'ticket-resolver 1500 0.0081 {"solved": true}', 'gpt-4 2000 0.075', 'completed 11', 'Teacher 2 ' . 'ff' x 20);

# Both do the same: a prepared INSERT for each source, parameters of every type, and read back what they wrote.
sub is_served
{
	my ($client, @command) = @_;

	my $database = "by_$client";
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, q{
		CREATE EXTENSION usage_meter;
		SELECT create_usage_ledger();
		SELECT create_source_views(source, source) FROM unnest('{partner_sla,dashboard,ai_usage_log,execution_history,api_usage}'::text[]) AS source;
		INSERT INTO partner_sla.partners (id, partner_code) VALUES ('incept', 'INCEPT');
		INSERT INTO partner_sla.api_keys (id, partner_id, seat_name) VALUES ('key-1', 'incept', 'Teacher 1');
	});
	my ($output, $errors) = ('', '');
	IPC::Run::run([@command], '>', \$output, '2>', \$errors, init => sub { $ENV{PGHOST} = $node->host; $ENV{PGPORT} = $node->port; $ENV{PGDATABASE} = $database; });
	chomp $output;
	is($errors, '', "$client has nothing to complain of");
	is($output, $expected, "$client reads what it wrote");
	is($node->safe_psql($database, 'SELECT executions, total_tokens FROM usage.summary()'), '5|3515', "and so do the reports");
	return;
}

SKIP: {
	skip 'python3-psycopg is not installed', 3 if system('/usr/bin/python3 -c "import psycopg" 2>/dev/null') != 0;
	is_served('psycopg', '/usr/bin/python3', 't/sources_client.py');
}

SKIP: {
	local $ENV{NODE_PATH} = join(':', '/usr/share/nodejs', $ENV{NODE_PATH} // ());
	skip 'node-pg is not installed', 3 if system('node -e "require(\'pg\')" 2>/dev/null') != 0;
	is_served('node_pg', 'node', 't/sources_client.js');
}

$node->stop;
done_testing();
