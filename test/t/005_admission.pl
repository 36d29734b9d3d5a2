# Runs alone. Budgets are never overshot. A thousand reservations at once against an amount that
# has room for fifty; then sessions that reserve, record, roll back, release, give up
# and die over overlapping budgets, while another looks all the time whether what is
# spent and what is reserved, in one snapshot, are within every budget.
#
# USAGE_METER_SOAK_SECONDS makes each round of that load so long.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use UsageLoad;

my $seconds = $ENV{USAGE_METER_SOAK_SECONDS} // 6;
my $node = new_node('admission', "max_connections = 120\nrestart_after_crash = on\ndeadlock_timeout = 1s");

# ---- a thousand at once ---------------------------------------------------

$node->safe_psql('postgres', q{CREATE TABLE answers (run text, allowed boolean, reason text)});

# Where waiting is an error, each that comes through costs all others a try: fewer
# sessions do.
foreach (['read committed', 100, 10], ['repeatable read', 8, 20], ['serializable', 8, 20])
{
	my ($isolation, $sessions, $times) = @$_;
	my $calls = $sessions * $times;
	my $run = $isolation =~ s/ /_/r;
	my $file = UsageLoad::script_file($node, $run, qq{
		INSERT INTO answers SELECT '$run', allowed, reason FROM usage.reserve('$run', cost => 0.10);
	});

	$node->safe_psql('postgres', qq{SELECT usage.set_budget('$run', '{"customer_id": "$run"}', 5.00, is_hard => true)});
	local $ENV{PGOPTIONS} = "-c default_transaction_isolation=" . $isolation =~ s/ /\\ /r;
	my ($out, $err) = run_command([ 'pgbench', '-n', '-c', $sessions, '-j', 2, '-t', $times, '--max-tries=10000', '-h', $node->host, '-p', $node->port, '-f', $file, 'postgres' ]);
	like($out, qr/^number of transactions actually processed: $calls\/$calls$/m, "$isolation: $calls have asked");
	is($node->safe_psql('postgres', qq{SELECT count(*) FILTER (WHERE allowed), count(*) FILTER (WHERE NOT allowed) FROM answers WHERE run = '$run'}),
		'50|' . ($calls - 50), "$isolation: exactly fifty were admitted");
	is($node->safe_psql('postgres', qq{SELECT trim_scale(spent + reserved), round(percent), trim_scale(remaining) FROM usage.budget_status(name => '$run')}), '5|0|0',
		"$isolation: the budget is used up");
}
like($node->safe_psql('postgres', q{SELECT DISTINCT reason FROM answers WHERE run = 'read_committed' AND NOT allowed}),
	qr/^budget "read_committed" of 5\.00 cost for \{"customer_id": "read_committed"\} has 0 spent and 5 reserved; asked for are 0\.10; it resets at \d{4}-\d\d-01 00:00:00\+00$/,
	'a denial tells all');

my $warning = '';
$node->psql('postgres', q{BEGIN; DELETE FROM answers WHERE false; SELECT count(*) FROM answers; SELECT usage.reserve('nobody'); ROLLBACK}, stderr => \$warning);
is($warning, '', 'a transaction that has not written may reserve');
$node->psql('postgres', q{BEGIN; DELETE FROM answers WHERE run = 'serializable'; SELECT usage.reserve('nobody'); ROLLBACK}, stderr => \$warning);
like($warning, qr/WARNING:  reserve\(\) in a transaction that has already written/, 'one that has is warned');

# Recorded, they leave room for exactly what they did not use.
$node->safe_psql('postgres', q{
	INSERT INTO usage.execution_history (customer_id, cost, reservation_id)
	SELECT 'read_committed', 0.08, reservation_id FROM usage.reservations JOIN usage.budgets USING (budget_id) WHERE name = 'read_committed';
	DELETE FROM answers});
is($node->safe_psql('postgres', q{SELECT count(*) FROM usage.reservations JOIN usage.budgets USING (budget_id) WHERE name = 'read_committed'}), 0, 'executions settle');
run_command([ 'pgbench', '-n', '-c', 20, '-j', 2, '-t', 5, '-h', $node->host, '-p', $node->port, '-f', $node->basedir . '/read_committed.sql', 'postgres' ]);
is($node->safe_psql('postgres', q{SELECT count(*) FILTER (WHERE allowed), count(*) FROM answers}), '10|100', 'and leave room for ten more');

# ---- everything at once ---------------------------------------------------

# What leaves a rolling period makes room again, so the pressure never ends.
$node->safe_psql('postgres', q{
SELECT usage.set_budget('all', '{}', 1.50, 'rolling', is_hard => true, length => '3 seconds');
SELECT usage.set_budget('customer', '{"customer_id": ["c1", "c2", "c3", "c4"]}', 0.40, 'rolling', is_hard => true, length => '2 seconds', per => '{customer_id}');
SELECT usage.set_budget('projects', '{"project_id": ["p1", "p2", "p3"]}', 0.70, 'rolling', is_hard => true, length => '4 seconds');
SELECT usage.set_budget('calls', '{"customer_id": "c1"}', 3, 'rolling', 'executions', is_hard => true, length => '2 seconds');
SELECT usage.set_budget('soft', '{"project_id": "p1"}', 0.01, 'rolling', length => '1 hour');
SELECT usage.set_budget('of today', '{"project_id": "p6"}', 30, 'day', is_hard => true, time_zone => 'Asia/Kathmandu');

CREATE TABLE samples (budget text, subject jsonb, used numeric, amount numeric);

CREATE PROCEDURE sample(seconds float8) LANGUAGE plpgsql AS $$
DECLARE
	ends timestamptz := clock_timestamp() + seconds * interval '1 second';
BEGIN
	WHILE clock_timestamp() < ends LOOP
		INSERT INTO samples
		SELECT s.budget, s.subject,
		       s.spent + (SELECT coalesce(sum(r.amount), 0) FROM usage.reservations AS r WHERE (r.budget_id, r.subject) = (s.budget_id, s.subject)), s.amount
		FROM usage.budget_status(at => clock_timestamp()) AS s
		WHERE s.is_hard AND s.budget IN ('all', 'customer', 'projects', 'calls', 'of today');
		COMMIT;
		PERFORM pg_sleep(0.005);
	END LOOP;
END $$});

# What the thousand spent before there were these budgets must have left them.
$node->poll_query_until('postgres', q{SELECT sum(spent) = 0 FROM usage.budget_status() WHERE is_hard AND budget IN ('all', 'customer', 'projects', 'calls')})
  or BAIL_OUT('the budgets stay used up');

# Who is so slow that the reservation may have expired records nothing: that would
# count all the same, and could be too much. The execution has the identity of its
# reservation.
my $load = UsageLoad::script_file($node, 'load', q{
\set customer random(1, 4)
\set project random(1, 6)
\set action random(1, 12)
SELECT allowed::integer AS allowed, quote_nullable(reservation_id) AS reservation, quote_literal(now() + interval '2 seconds') AS deadline
FROM usage.reserve('c' || :customer, 'p' || :project, cost => 0.10, ttl => '3 seconds') \gset
\if :allowed
\if :action <= 6
INSERT INTO usage.execution_history (customer_id, project_id, cost, reservation_id)
SELECT 'c' || :customer, 'p' || :project, 0.10 - :action / 100.0, :reservation WHERE clock_timestamp() < :deadline;
\elif :action <= 7
BEGIN;
INSERT INTO usage.execution_history (customer_id, project_id, cost, reservation_id) VALUES ('c' || :customer, 'p' || :project, 0.10, :reservation);
\sleep 200 ms
ROLLBACK;
\elif :action <= 8
SELECT usage.release(:reservation);
\elif :action <= 9
BEGIN;
INSERT INTO usage.execution_history (customer_id, project_id, cost, reservation_id)
SELECT 'c' || :customer, 'p' || :project, 0.10, :reservation WHERE clock_timestamp() < :deadline;
\sleep 3300 ms
COMMIT;
\elif :action <= 10
INSERT INTO usage.execution_history (id, customer_id, project_id, status, reservation_id)
SELECT :reservation, 'c' || :customer, 'p' || :project, 'running', :reservation WHERE clock_timestamp() < :deadline;
\sleep 100 ms
UPDATE usage.execution_history SET status = 'success', reported_cost = 0.10 WHERE id = :reservation AND clock_timestamp() < :deadline;
\endif
\else
INSERT INTO answers VALUES ('load', false);
\endif
});

sub start_load
{
	my ($isolation, @options) = @_;
	local $ENV{PGOPTIONS} = "-c default_transaction_isolation=" . $isolation =~ s/ /\\ /r;
	return UsageLoad::launch($node, 'pgbench', '-n', '-c', 16, '-j', 2, @options, '-f', $load, 'postgres');
}

sub start_samples
{
	my ($seconds) = @_;
	return UsageLoad::launch($node, 'psql', '-X', '-d', 'postgres', '-c', 'SET statement_timeout = 0', '-c', "CALL sample($seconds)");
}

sub is_within
{
	my ($when) = @_;

	cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM samples'), '>', 20, "$when: there were samples");
	is($node->safe_psql('postgres', 'SELECT * FROM samples WHERE used > amount LIMIT 5'), '', "$when: no budget was overshot at any of them");
	cmp_ok($node->safe_psql('postgres', q{SELECT count(DISTINCT budget) FROM samples WHERE used > amount * 0.7}), '>', 1, "$when: they were under pressure");
	cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM answers WHERE run = 'load'}), '>', 0, "$when: some were denied");
	note($node->safe_psql('postgres', 'SELECT budget, count(*), max(used), min(amount) FROM samples GROUP BY 1'));
	$node->safe_psql('postgres', 'TRUNCATE samples, answers');
}

# The clients die.
my $clients = start_load('read committed', '-T', 10 * $seconds);
my $samples = start_samples($seconds);
finish($samples);
is($samples->{err}, '', 'samples were taken');
$clients->{run}->signal('KILL');
eval { $clients->{run}->finish };
is_within('when clients die');

# A server process dies, and all others with it.
$clients = start_load('read committed', '-T', 10 * $seconds);
$samples = start_samples($seconds);
finish($samples);
my $victim = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE query LIKE '%usage.%' AND pid <> pg_backend_pid() LIMIT 1});
kill 'KILL', $victim;
eval { $clients->{run}->finish };
like($clients->{err}, qr/server closed the connection|terminating connection/, 'a server process was killed');
$node->poll_query_until('postgres', 'SELECT true') or BAIL_OUT('the server does not come back');
is($node->safe_psql('postgres', q{
		SELECT budget FROM usage.budget_status() AS s
		WHERE is_hard AND spent + (SELECT coalesce(sum(r.amount), 0) FROM usage.reservations AS r WHERE (r.budget_id, r.subject) = (s.budget_id, s.subject)) > amount}),
	'', 'no budget is overshot after recovery');
is_within('when the server crashes');

# Others try again instead of waiting.
$clients = start_load('repeatable read', '-T', $seconds, '--max-tries=0');
$samples = start_samples($seconds);
finish($samples);
finish($clients);
is($clients->{status}, 0, 'the load in REPEATABLE READ came through');
unlike($clients->{err}, qr/ERROR/, 'and has nothing to complain of');
is_within('in REPEATABLE READ');

$clients = start_load('read committed', '-T', $seconds);
$samples = start_samples($seconds);
finish($samples);
finish($clients);
is($clients->{status}, 0, 'the load in READ COMMITTED came through');
is($clients->{err} =~ s/^pgbench \(.*\)\n//r, '', 'and has nothing to complain of');
note($clients->{out});
is_within('in READ COMMITTED');

is($node->safe_psql('postgres', 'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()'), 0, 'no deadlock');
unlike(slurp_file($node->logfile), qr/deadlock detected/, 'nor did the log tell of one before the crash');

# What was abandoned expires.
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM usage.reservations WHERE expires_at < now() + interval \'1 minute\''), '>', 0, 'some were abandoned');
usleep(3_500_000);
$node->safe_psql('postgres', 'SELECT usage.check_budgets()');
is($node->safe_psql('postgres', q{SELECT count(*) FROM usage.reservations WHERE expires_at < now() + interval '1 minute'}), 0, 'and expire');
is($node->safe_psql('postgres', 'SELECT * FROM usage.reconcile() LIMIT 10'), '', 'nothing to reconcile');

$node->stop;
done_testing();
