# What the reports look at, by the plan of every statement that runs inside
# them: of closed ranges of past days no partition of the history is read from
# end to end, and of one customer only his cells.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('plans');
$node->init;
$node->append_conf('postgresql.conf', "timezone = 'UTC'\nlog_statement = none\njit = off\nusage_meter.fold_threshold = 0\n");
$node->start;

my ($status) = $node->psql('postgres', "LOAD 'auto_explain'");
plan skip_all => 'auto_explain is not installed' if $status != 0;

# Three months in the order of time, of a hundred customers.
$node->safe_psql('postgres', q{
	CREATE EXTENSION usage_meter;
	SELECT create_usage_ledger();
	SET search_path = usage, public;
	SELECT create_partition(month) FROM unnest(ARRAY['2025-01-01', '2025-02-01', '2025-03-01']::date[]) AS month;
	INSERT INTO execution_history (created_at, customer_id, project_id, user_id, provider, model, status, input_tokens, duration_ms)
	SELECT '2025-01-01'::timestamptz + n * interval '129.6 seconds', 'customer ' || n % 100, 'project ' || n % 7, 'user ' || n % 500, 'acme', 'model ' || n % 5,
	       CASE WHEN n % 97 = 0 THEN 'failed' ELSE 'success' END, n % 1000, n % 5000
	FROM generate_series(0, 59999) AS n;
	SELECT fold();
	VACUUM ANALYZE;
});

# The plans of a report, of all statements that it runs.
sub plans
{
	my ($report) = @_;
	my ($status, $output, $errors) = $node->psql('postgres', <<END);
SET search_path = usage, public;
LOAD 'auto_explain';
SET auto_explain.log_level = notice;
SET auto_explain.log_nested_statements = on;
SET auto_explain.log_min_duration = 0;
SELECT * FROM $report \\g /dev/null
END
	is($status, 0, "$report runs");
	return $errors;
}

my $scan = qr/Seq Scan on execution_history/;
like(plans('execution_history'), $scan, 'a sequential scan would be seen');

my @reports = map { "$_(%s)" } qw(summary daily weekly monthly hourly hourly_pattern models projects errors executions);
push @reports, (map { "breakdown('$_', %s)" } qw(customer_id package_id user_id)), "top('section', %s)", "search('customer 7', %s)";
my %ranges = (
	'whole days' => q{since => '2025-01-10', until => '2025-03-10'},
	'days of whole hours' => q{since => '2025-02-10 00:00 America/New_York', until => '2025-02-12 00:00 America/New_York', time_zone => 'America/New_York'},
	'days of a time zone' => q{since => '2025-02-10 00:00 Asia/Kathmandu', until => '2025-02-12 00:00 Asia/Kathmandu', time_zone => 'Asia/Kathmandu'},
	'days of a customer' => q{since => '2025-01-10', until => '2025-03-10', filter => '{"customer_id": "customer 7"}'});
foreach my $range (sort keys %ranges)
{
	foreach my $report (@reports)
	{
		my $call = sprintf $report, $ranges{$range};
		unlike(plans($call), $scan, "$range: no sequential scan");
	}
}

# The cells and the executions of a customer are found by the index: his name is a condition of it, not what is filtered
# from all others.
my $cubes = qr/(?:workload_day|actor_day|project_day|timeline_hour|timeline_quarter)/;
my $key = qr/customer_id = (?:ANY|\$\d)/;
foreach my $range ('days of a customer', 'days of whole hours', 'days of a time zone')
{
	my $arguments = $ranges{$range} . ($range eq 'days of a customer' ? '' : q{, filter => '{"customer_id": "customer 7"}'});
	foreach my $report ('summary(%s)', 'daily(%s)', 'hourly(%s)', 'projects(%s)', 'models(%s)', "breakdown('user_id', %s)")
	{
		my $plans = plans(sprintf $report, $arguments);
		my @scans = $plans =~ /(\w[\w ]*) on $cubes\b/g;
		my @keyed = $plans =~ /Index (?:Only )?Scan using \w+ on $cubes\b[^\n]*\n\s*Index Cond: [^\n]*$key/g;
		cmp_ok(scalar @scans, '>', 0, "$range: cubes are read");
		is(scalar @keyed, scalar @scans, "$range: by the key of the customer") or diag(grep { /$cubes/ } split /^/m, $plans);
		unlike($plans, qr/Scan (?:using \w+ )?on execution_history_\w+[^\n]*\n\s*(?:Index|Recheck) Cond: (?![^\n]*$key)/, "$range: of his executions too");
	}
}

# Errors are told without a look at the executions, but for the messages of those that have no code.
like(plans("errors($ranges{'whole days'})"), qr/Index Only Scan using \w+ on execution_history_/, 'errors are told by their index');

# What is read from executions is much, so workers may help.
like($node->safe_psql('postgres', q{
	SET search_path = usage, public;
	SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET min_parallel_index_scan_size = 0;
	SELECT explain_read('2025-01-10 05:00', '2025-03-10 05:00', '{}', '{project_id,model}')}),
	qr/Parallel/, 'workers help');

$node->stop;
done_testing();
