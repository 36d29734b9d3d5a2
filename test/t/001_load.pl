# Sixteen writers on one customer while fold() runs in a loop and readers poll: no
# deadlock, no wait for a transaction, a tuple or an advisory lock, every poll exact
# and monotone. Runs alone: it is about what happens at full speed.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use UsageLoad;

my $seconds = 12;
my $node = new_node('load', '');

$node->safe_psql('postgres', q{
CREATE TABLE polls (number serial, total text, customer text, truth text);
CREATE TABLE report_polls (number serial, daily text, projects text, truth text);
CREATE TABLE steady_polls (number serial, first text, second text, truth text);
CREATE TABLE waits (wait_event text, query text);
CREATE TABLE samples (busy bigint);

-- what any other session waits for, sampled more often than the log tells of it
CREATE PROCEDURE sample_waits(seconds float8) LANGUAGE plpgsql AS $$
DECLARE
	ends timestamptz := clock_timestamp() + seconds * interval '1 second';
BEGIN
	WHILE clock_timestamp() < ends LOOP
		INSERT INTO waits
		SELECT wait_event, query FROM pg_stat_activity WHERE wait_event_type = 'Lock';
		INSERT INTO samples
		SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND query LIKE '%usage.%';
		COMMIT;
		PERFORM pg_sleep(0.002);
	END LOOP;
END $$;

CREATE PROCEDURE poll(seconds float8) LANGUAGE plpgsql AS $$
DECLARE
	ends timestamptz := clock_timestamp() + seconds * interval '1 second';
BEGIN
	WHILE clock_timestamp() < ends LOOP
		INSERT INTO polls (total, customer, truth)
		} . proof(qw(total customer)) . q{;
		COMMIT;
	END LOOP;
END $$;

CREATE PROCEDURE poll_reports(seconds float8) LANGUAGE plpgsql AS $$
DECLARE
	ends timestamptz := clock_timestamp() + seconds * interval '1 second';
BEGIN
	WHILE clock_timestamp() < ends LOOP
		INSERT INTO report_polls (daily, projects, truth)
		} . proof(qw(daily projects)) . q{;
		COMMIT;
	END LOOP;
END $$;

-- twice in one snapshot, between which folds have come and gone
CREATE PROCEDURE poll_steadily(seconds float8) LANGUAGE plpgsql AS $$
DECLARE
	ends timestamptz := clock_timestamp() + seconds * interval '1 second';
	first text;
BEGIN
	WHILE clock_timestamp() < ends LOOP
		COMMIT;
		SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
		first := (SELECT concat_ws(' ', executions, total_tokens, cost) FROM usage.summary('all'));
		PERFORM pg_sleep(0.4);
		INSERT INTO steady_polls (first, second, truth)
		SELECT first, poll.total, poll.truth FROM (} . proof('total') . q{) AS poll;
	END LOOP;
END $$});

my @clients = (
	start_writers($node, $seconds),
	start_folds($node, $seconds, 20),
	map { UsageLoad::launch($node, 'psql', '-X', '-d', 'postgres', '-c', "CALL $_($seconds)") }
	  qw(sample_waits poll poll_reports poll_steadily));

foreach my $client (@clients)
{
	finish($client);
	is($client->{status}, 0, "$client->{name} came through");
	is($client->{err} =~ s/^pgbench \(.*\)\n//r, '', "$client->{name} has nothing to complain of");
	like($client->{out}, qr/^number of failed transactions: 0 /m, 'no transaction failed') if $client->{name} eq 'pgbench';
	note($client->{out});
}

# It was a load.
my $executions = is_proven($node, 'after the load');
cmp_ok($executions, '>', 1000, 'there were executions');
cmp_ok($node->safe_psql('postgres', "SELECT count(DISTINCT truth) FROM $_"), '>', 3, "there were $_")
  foreach qw(polls report_polls steady_polls);
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM samples WHERE busy >= 2'), '>', 50, 'there were samples of sessions at work');
cmp_ok($node->safe_psql('postgres', 'SELECT sum(executions) FROM usage.timeline_quarter'), '>', 0, 'fold() has folded meanwhile');
cmp_ok($node->safe_psql('postgres', q{SELECT sum(n_tup_del) FROM pg_stat_user_tables WHERE relname = 'usage_deltas'}),
	'>', 100, 'and took many deltas');

# Every poll was exact, and they only grew.
is($node->safe_psql('postgres', 'SELECT * FROM polls WHERE (total, customer) IS DISTINCT FROM (truth, truth)'),
	'', 'every poll was exact');
is($node->safe_psql('postgres', 'SELECT * FROM report_polls WHERE (daily, projects) IS DISTINCT FROM (truth, truth)'),
	'', 'every poll of reports was exact');
is($node->safe_psql('postgres', q{
		SELECT * FROM (
			SELECT number, total, lag(total) OVER (ORDER BY number) AS before FROM polls) AS poll
		WHERE NOT (split_part(total, ' ', 1)::numeric >= split_part(before, ' ', 1)::numeric
			AND split_part(total, ' ', 2)::numeric >= split_part(before, ' ', 2)::numeric
			AND split_part(total, ' ', 3)::numeric >= split_part(before, ' ', 3)::numeric)}),
	'', 'every poll was monotone');
is($node->safe_psql('postgres', 'SELECT * FROM steady_polls WHERE (first, second) IS DISTINCT FROM (truth, truth)'),
	'', 'a snapshot stayed the same');

# Nobody waited for another.
is($node->safe_psql('postgres', 'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()'), 0, 'no deadlock');
is($node->safe_psql('postgres', q{SELECT wait_event, count(*), min(query) FROM waits WHERE wait_event <> 'extend' GROUP BY 1}),
	'', 'no session was seen waiting for a lock other than to extend a table');
my $log = slurp_file($node->logfile);
unlike($log, qr/still waiting for \w+ on (?!extension of )/, 'nor does the log tell of such a wait');
unlike($log, qr/(ERROR|FATAL|PANIC): /, 'the log tells of no error');

# What is left after a last fold.
$node->safe_psql('postgres', 'SELECT usage.fold()');
is_proven($node, 'after the last fold');
is($node->safe_psql('postgres', 'SELECT count(*) FROM usage.usage_deltas'), 0, 'nothing is pending');
is($node->safe_psql('postgres', q{SELECT count(*) FROM usage.health() WHERE level = 'critical'}), 0, 'the ledger is in good health');

$node->stop;
done_testing();
