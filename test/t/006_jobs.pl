# The real pg_cron runs check_budgets() and fold() on their minute, in both of its
# modes: over a connection of its own, and in background workers.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($stdout, $stderr) = run_command([ 'pg_config', '--sharedir' ]);
plan skip_all => 'pg_cron is not installed for this server' if !-e "$stdout/extension/pg_cron.control";

my $node = PostgreSQL::Test::Cluster->new('jobs');
$node->init;
$node->append_conf('postgresql.conf', <<CONF);
shared_preload_libraries = 'pg_cron'
cron.database_name = 'postgres'
cron.host = '@{[ $node->host ]}'
timezone = 'UTC'
CONF
$node->start;

$node->safe_psql('postgres', q{
CREATE EXTENSION usage_meter;
SELECT create_usage_ledger();
SELECT usage.set_budget('p', '{"project_id": "p"}', 100.00);
INSERT INTO usage.execution_history (customer_id, project_id, cost) VALUES ('c', 'p', 80.00)});

# Without it, the lines of a crontab, which run as they are.
my $lines = $node->safe_psql('postgres', q{SELECT crontab FROM usage.schedule_jobs('0 */6 * * *')});
like($lines, qr{^0 \*/6 \* \* \* psql -XAtq -d 'postgres' -c 'SELECT usage\.check_budgets\(\)'$}m, 'a line of a crontab');
my ($command) = $lines =~ /^(?:\S+ ){5}(.*check_budgets.*)$/m;
{
	local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port);
	($stdout, $stderr) = run_command([ 'sh', '-c', $command =~ s/\\%/%/gr ]);
}
is($stderr, '', 'it runs');
is($node->safe_psql('postgres', q{DELETE FROM usage.budget_alerts RETURNING percent}), 80, 'and fires the alert');
is($node->safe_psql('postgres', q{SELECT count(*) FROM usage.job_status()}), 0, 'nothing is scheduled');
is($node->safe_psql('postgres', q{SELECT count(*) FROM usage.unschedule_jobs()}), 0, 'nor unscheduled');

$node->safe_psql('postgres', 'CREATE EXTENSION pg_cron');
is($node->safe_psql('postgres', q{SELECT string_agg(job || ': ' || schedule || ': ' || command, ', ' ORDER BY job) FROM usage.schedule_jobs('0 */6 * * *') WHERE job_id IS NOT NULL AND crontab IS NULL}),
	'usage check: 0 */6 * * *: SELECT usage.check_budgets(), usage fold: * * * * *: SELECT usage.fold(), usage maintenance: 7 3 * * *: SELECT usage.maintain(), usage refresh: 37 3 * * *: SELECT usage.refresh()',
	'jobs are registered');
$node->safe_psql('postgres', 'SELECT usage.schedule_jobs()');
is($node->safe_psql('postgres', q{SELECT count(*), min(schedule) FROM cron.job WHERE jobname = 'usage check'}), '1|* * * * *', 'and changed by another call');

sub has_run
{
	my ($mode) = @_;

	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM usage.budget_alerts}) or BAIL_OUT("$mode: no alert");
	$node->poll_query_until('postgres', q{SELECT bool_and(last_status = 'succeeded') FROM usage.job_status() WHERE job IN ('usage check', 'usage fold')})
	  or BAIL_OUT("$mode: the jobs do not succeed");
	is($node->safe_psql('postgres', q{SELECT b.name, a.percent, a.spent FROM usage.budget_alerts AS a JOIN usage.budgets AS b USING (budget_id)}),
		'p|80|80', "$mode: the alert is there");
	is($node->safe_psql('postgres', q{SELECT is_active, runs > 0, failures, last_success_at > now() - interval '5 minutes', last_started_at <= last_ended_at FROM usage.job_status() WHERE job = 'usage check'}),
		't|t|0|t|t', "$mode: job_status() tells of it");
}

has_run('by connection');
is($node->safe_psql('postgres', 'SELECT count(*) FROM usage.usage_deltas'), 0, 'by connection: the changes are folded');

$node->append_conf('postgresql.conf', 'cron.use_background_workers = on');
$node->restart;
$node->safe_psql('postgres', 'DELETE FROM usage.budget_alerts; TRUNCATE cron.job_run_details');
has_run('by worker');

is($node->safe_psql('postgres', q{SELECT string_agg(job, ', ' ORDER BY job) FROM usage.unschedule_jobs() AS job}), 'usage check, usage fold, usage maintenance, usage refresh', 'jobs are taken away');
is($node->safe_psql('postgres', q{SELECT count(*) FROM cron.job}), 0, 'all of them');

$node->stop;
done_testing();
