# The page of report_html() is valid HTML, as a program that nobody here wrote
# judges it, whatever is in the ledger.

use strict;
use warnings;
use utf8;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'tidy is not installed' if system('command -v tidy >/dev/null') != 0;

my $node = PostgreSQL::Test::Cluster->new('page');
$node->init;
$node->append_conf('postgresql.conf', "timezone = 'UTC'\nlog_statement = none\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION usage_meter;
	SELECT create_usage_ledger();
});

# What tidy complains of, in the page of some days.
sub complaints
{
	my ($range) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir . '/report.html';
	my ($output, $errors);

	append_to_file($file, $node->safe_psql('postgres', "SELECT usage.report_html($range)"));
	IPC::Run::run([ 'tidy', '-errors', '-quiet', '-utf8', $file ], '>', \$output, '2>', \$errors);
	return $errors;
}

# Executions like this, with what there may be of budgets and objectives.
my $insert = 'INSERT INTO usage.execution_history (customer_id, project_id, provider, model, status, input_tokens, reported_cost, duration_ms, created_at)';

is(complaints(q{'30d'}), '', 'no rows');

$node->safe_psql('postgres', "$insert VALUES ('acme', 'bot', 'openai', 'gpt-4o', 'success', 1000, NULL, 900, '2025-01-01 12:00')");
is(complaints(q{since => '2025-01-01', until => '2025-01-02'}), '', 'one row');

$node->safe_psql('postgres', "$insert SELECT 'customer ' || n % 30, 'project ' || n % 40, 'acme', 'model ' || n,
	(ARRAY['success', 'failed', 'timeout', 'cancelled', 'running'])[1 + n % 5], n, n, n, '2025-02-01'::timestamptz + n * interval '1 hour'
	FROM generate_series(1, 200) AS n");
is(complaints(q{since => '2025-02-01', until => '2025-03-01'}), '', '200 models');

$node->safe_psql('postgres', "$insert SELECT name, name, name, name, 'failed', 1, 1e-9, 1e9, '2025-03-01'
	FROM unnest(ARRAY['<script>alert(\"1\")</script>', '</td></tr></table>', '&amp;&', repeat('W', 255), repeat('漢', 85), 'نموذج اللغة', E'tab\\tbell\\x07', '👩‍👩‍👧‍👦']) AS name;
	SELECT usage.set_budget(name, jsonb_build_object('customer_id', name), 1e-9) FROM (SELECT DISTINCT customer_id AS name FROM usage.execution_history) AS used;
	SELECT usage.set_objective(name, 'success', 1, scope => jsonb_build_object('customer_id', name)) FROM (SELECT DISTINCT customer_id AS name FROM usage.execution_history) AS used");
is(complaints(q{since => '2025-03-01', until => '2025-03-02'}), '', 'very long and foreign names');
is(complaints(q{'all'}), '', 'everything');
is(complaints(q{since => '2025-01-01', until => '2025-04-01', filter => '{"model": "</script>"}'}), '', 'a filter that admits nothing');

done_testing();
