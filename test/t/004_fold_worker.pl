# Nobody calls fold() here: deltas are folded in the background, whatever befalls the
# worker, and the worker is in nobody's way.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = PostgreSQL::Test::Cluster->new('fold_worker');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "max_worker_processes = 8\nmax_prepared_transactions = 2\nlog_statement = none\nautovacuum = off\nrestart_after_crash = on\nmax_logical_replication_workers = 0\n");
$node->start;

# Executions of so many customers, each a delta of its own.
sub executions
{
	my ($rows, %more) = @_;
	my $ledger = $more{ledger} // 'usage';

	return "INSERT INTO $ledger.execution_history (customer_id, created_at, duration_ms, input_tokens) "
	  . "SELECT 'customer ' || number, '2020-02-02 10:00+00', number, number FROM generate_series(1, $rows) AS number;";
}

sub count_of
{
	my ($what, $database) = @_;
	return $node->safe_psql($database // 'postgres', "SELECT count(*) FROM $what");
}

sub is_folded
{
	my ($when, %more) = @_;
	my $ledger = $more{ledger} // 'usage';
	my $database = $more{database} // 'postgres';

	ok($node->poll_query_until($database, "SELECT count(*) = 0 FROM $ledger.usage_deltas"), "$when: it is folded");
	is($node->safe_psql($database, "SELECT * FROM $ledger.reconcile() LIMIT 10"), '', "$when: nothing lost, nothing doubled");
}

my $workers = "pg_stat_activity WHERE backend_type = 'usage_meter fold'";

sub wait_for_no_worker
{
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM $workers") or BAIL_OUT('a worker does not end');
}

# Certain to be started, or not at all.
sub set_threshold
{
	$node->safe_psql('postgres', "LOAD 'usage_meter'; ALTER SYSTEM SET usage_meter.fold_threshold = $_[0]; SELECT pg_reload_conf()");
	$node->poll_query_until('postgres', "SELECT current_setting('usage_meter.fold_threshold', true)", $_[0]);
}

$node->safe_psql('postgres', 'CREATE EXTENSION usage_meter; SELECT create_usage_ledger()');

# ---- with nothing configured ----------------------------------------------

$node->safe_psql('postgres', "COPY usage.execution_history (customer_id, created_at, input_tokens) FROM PROGRAM "
	. q{'for n in $(seq 12000); do printf "customer %d\t2020-02-02 10:00+00\t%d\n" $n $n; done'});
is_folded('the last write ever is one COPY');
wait_for_no_worker();
is($node->safe_psql('postgres', 'SELECT backlog, folds > 0, folded, last_folded > 0, refused_launches, maintained_at > now() - interval \'1 hour\' FROM usage.fold_status'),
	'0|t|12000|t|0|t', 'fold_status tells of it');

# Deltas of the second ledger in the same transaction.
$node->safe_psql('postgres', q{SELECT create_usage_ledger('Other "One"')});
$node->safe_psql('postgres', 'BEGIN;' . executions(10000) . executions(10000, ledger => '"Other ""One"""') . 'COMMIT');
is_folded('two ledgers in one transaction, one');
is_folded('two ledgers in one transaction, the other', ledger => '"Other ""One"""');

# ---- maintenance where little is written ------------------------------------

sub wait_for_maintenance
{
	return $node->poll_query_until('postgres', q{SELECT maintained_at > now() - interval '1 hour' FROM usage.fold_state});
}

# Almost certain not to be started for what is appended.
set_threshold(1_000_000_000);
wait_for_no_worker();
$node->safe_psql('postgres', q{SELECT usage.set_retention('execution_payloads', '30 days');
	INSERT INTO usage.execution_payloads (execution_id, created_at) VALUES (gen_random_uuid(), now() - interval '31 days')});
{
	my $session = $node->background_psql('postgres');
	$session->query_safe(executions(1));
	sleep 1;
	is(count_of('usage.execution_payloads'), 1, 'no maintenance while the last is not an hour ago');
	$node->safe_psql('postgres', q{UPDATE usage.fold_state SET maintained_at = now() - interval '2 hours'});
	$session->query_safe(executions(1));
	sleep 1;
	is(count_of('usage.execution_payloads'), 1, 'nor by a session that has looked within the hour');
	$node->safe_psql('postgres', 'BEGIN;' . executions(1) . 'ROLLBACK');
	sleep 1;
	is(count_of('usage.execution_payloads'), 1, 'nor by one that rolls back');
	$node->safe_psql('postgres', executions(1));
	ok(wait_for_maintenance(), 'the first row of another session starts it');
	is(count_of('usage.execution_payloads'), 0, 'and what has expired is dropped');
	wait_for_no_worker();
	$session->quit;
}

# ---- what starts it, and what does not ------------------------------------

set_threshold(0);
$node->safe_psql('postgres', executions(300));
sleep 1;
is(count_of($workers), 0, 'no worker when it is turned off');
set_threshold(100);
my $folded = $node->safe_psql('postgres', 'SELECT folded FROM usage.fold_status');
$node->safe_psql('postgres', 'BEGIN;' . executions(200) . 'ROLLBACK');
sleep 1;
is($node->safe_psql('postgres', 'SELECT folded FROM usage.fold_status'), $folded, 'nor for what is rolled back');
$node->safe_psql('postgres', 'BEGIN; SAVEPOINT one;' . executions(200) . 'ROLLBACK TO one;' . executions(200) . 'COMMIT');
is_folded('a subtransaction rolled back');

$node->safe_psql('postgres', 'BEGIN;' . executions(200) . "PREPARE TRANSACTION 'two phases'");
$node->safe_psql('postgres', "COMMIT PREPARED 'two phases'");
is(count_of('usage.usage_deltas'), 200, 'deltas of a prepared transaction wait');
$node->safe_psql('postgres', executions(200));
is_folded('for the next that are drawn for');
wait_for_no_worker();

# ---- a worker that is killed -----------------------------------------------

# A row of a cube that somebody has locked holds the fold in its middle.
sub held_fold
{
	my $blocker = $node->background_psql('postgres');

	set_threshold(0);
	$node->safe_psql('postgres', executions(2000));
	set_threshold(100);
	$blocker->query_safe(q{BEGIN; SELECT FROM usage.usage_cubes WHERE customer_id = 'customer 77' FOR UPDATE});
	$node->safe_psql('postgres', executions(200));
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM $workers AND wait_event_type = 'Lock'") or BAIL_OUT('no worker waits');
	return ($blocker, $node->safe_psql('postgres', "SELECT pid FROM $workers"));
}

$node->safe_psql('postgres', q{ALTER SYSTEM SET deadlock_timeout = '100s'; SELECT pg_reload_conf()});
{
	my ($blocker, $pid) = held_fold();
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
	wait_for_no_worker();
	is(count_of('usage.usage_deltas'), 2200, 'terminated in the middle: all deltas are there');
	is($node->safe_psql('postgres', 'SELECT * FROM usage.reconcile()'), '', 'and nothing is doubled');
	$blocker->query_safe('COMMIT');
	$blocker->quit;
	$node->safe_psql('postgres', executions(200));
	is_folded('after a terminated worker');
	wait_for_no_worker();
}
{
	my ($blocker, $pid) = held_fold();
	kill 'KILL', $pid;
	eval { $blocker->quit };
	$node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');
	is(count_of('usage.usage_deltas'), 2200, 'killed in the middle, with the whole server: all deltas are there');
	$node->safe_psql('postgres', executions(200));
	is_folded('after a killed worker');
	wait_for_no_worker();
}

# ---- what it leaves, and what keeps vacuum from it ---------------------------

{
	set_threshold(0);
	$node->safe_psql('postgres', 'VACUUM usage.usage_deltas');
	my $reader = $node->background_psql('postgres');
	$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
	$node->safe_psql('postgres', executions(3));
	$node->safe_psql('postgres', 'SELECT usage.fold()');
	ok($node->poll_query_until('postgres', q{SELECT dead_deltas = 3 AND backlog = 0 AND dead_pages = delta_pages AND oldest_snapshot > '0.3 s' FROM usage.fold_status}),
		'fold_status tells of dead deltas and pages, and of the oldest snapshot');
	$reader->query_safe('COMMIT');
	$reader->quit;
	$node->safe_psql('postgres', 'VACUUM usage.usage_deltas');
	ok($node->poll_query_until('postgres', q{SELECT dead_deltas = 0 FROM usage.fold_status}), 'which vacuum removes');
}

# ---- after a load of much at once -------------------------------------------

{
	my $wide = join ', ', map { "repeat('$_', 250)" } 'a' .. 'g';
	$node->safe_psql('postgres', 'INSERT INTO usage.execution_history (customer_id, created_at, project_id, package_id, section, user_id, api_key_id, provider, model) '
		. "SELECT 'customer ' || number, '2020-02-02 10:00+00', $wide FROM generate_series(1, 36000) AS number");
	cmp_ok($node->safe_psql('postgres', q{SELECT pg_relation_size('usage.usage_deltas')}), '>', 64 * 1024 * 1024, 'a large load makes usage_deltas large');
	set_threshold(100);
	$node->safe_psql('postgres', executions(200));
	# nobody reads it meanwhile, for whom vacuum would give up
	ok($node->poll_query_until('postgres', q{SELECT pg_relation_size('usage.usage_deltas') < 1024 * 1024}), 'the worker gives the empty pages back');
	is_folded('after a large load');
	wait_for_no_worker();
}

# ---- it gives way -----------------------------------------------------------

$node->safe_psql('postgres', q{ALTER SYSTEM SET deadlock_timeout = '100ms'; SELECT pg_reload_conf()});
{
	my ($blocker, $pid) = held_fold();
	my $waited = time;
	$node->safe_psql('postgres', 'SET statement_timeout = 30000; BEGIN; LOCK TABLE usage.usage_deltas IN ACCESS EXCLUSIVE MODE; COMMIT');
	cmp_ok(time - $waited, '<', 20, 'who waits for a lock of the worker has it cancelled');
	$blocker->query_safe('COMMIT');
	$blocker->quit;
	$node->safe_psql('postgres', executions(200));
	is_folded('after a cancelled worker');
	wait_for_no_worker();
}

# ---- no slot ----------------------------------------------------------------

$node->safe_psql('postgres', 'ALTER SYSTEM SET max_worker_processes = 0');
$node->restart;
{
	my $session = $node->background_psql('postgres');
	$session->query_safe(executions(200));
	$session->query_safe(executions(200));
	sleep 1;
	is(count_of('usage.usage_deltas'), 400, 'without a worker all stays pending');
	is($node->safe_psql('postgres', 'SELECT executions - (SELECT count(*) FROM usage.execution_history) FROM usage.summary(\'all\')'),
		0, 'and reports are exact');
	$session->quit;
}
$node->safe_psql('postgres', 'ALTER SYSTEM SET max_worker_processes = 2');
$node->restart;
{
	# Workers of another extension, as it were, take both slots.
	my $session = $node->background_psql('postgres');
	my $hog = $node->background_psql('postgres');
	$hog->query_safe(q{SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
		SET max_parallel_workers_per_gather = 2; CREATE TABLE many AS SELECT generate_series(1, 10000) AS n; ANALYZE many;
		BEGIN; DECLARE slow CURSOR FOR SELECT n FROM many; FETCH 1 FROM slow});
	SKIP:
	{
		skip 'no parallel workers stay', 2 if count_of("pg_stat_activity WHERE backend_type = 'parallel worker'") < 2;
		$session->query_safe(executions(200));
		$hog->query_safe('COMMIT');
		$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'parallel worker'");
		$session->query_safe(executions(200));
		is_folded('when there is a slot again');
		wait_for_no_worker();
		is($node->safe_psql('postgres', 'SELECT refused_launches FROM usage.fold_status'), 1, 'the refused launch is counted');
	}
	$hog->quit;
	$session->quit;
}
$node->safe_psql('postgres', 'ALTER SYSTEM SET max_worker_processes = 8');
$node->restart;

# ---- owners, and others -----------------------------------------------------

$node->safe_psql('postgres', q{
	CREATE ROLE bookkeeper NOLOGIN;
	CREATE ROLE writer;
	GRANT CREATE ON DATABASE postgres TO bookkeeper;
	SET ROLE bookkeeper;
	SELECT create_usage_ledger('kept');
	GRANT USAGE ON SCHEMA kept TO writer;
	GRANT INSERT ON kept.execution_history TO writer;
	CREATE TABLE kept.witness (who text);
	CREATE FUNCTION kept.witness() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO kept.witness VALUES (concat_ws(' ', current_user, current_setting('search_path')));
		BEGIN
			RESET SESSION AUTHORIZATION;
			INSERT INTO kept.witness VALUES ('became ' || current_user);
		EXCEPTION WHEN OTHERS THEN NULL;
		END;
		RETURN NULL;
	END $$;
	CREATE TRIGGER witness AFTER INSERT ON kept.usage_cubes FOR EACH STATEMENT EXECUTE FUNCTION kept.witness()});
$node->safe_psql('postgres', 'SET ROLE writer;' . executions(200, ledger => 'kept'));
is_folded('the owner may not log in', ledger => 'kept');
is($node->safe_psql('postgres', 'SELECT DISTINCT who FROM kept.witness'), 'bookkeeper kept, pg_temp', "the owner's code runs as the owner, and stays so");

$node->safe_psql('postgres', 'ALTER SCHEMA kept OWNER TO writer');
$node->safe_psql('postgres', executions(200, ledger => 'kept'));
$node->wait_for_log(qr/usage_meter does not fold in schema kept/);
is(count_of('kept.usage_deltas'), 200, 'in a schema of another owner nothing is run');

# ---- ledgers that go, or change their name ----------------------------------

wait_for_no_worker();
my $log_start = -s $node->logfile;
foreach my $round (1 .. 5)
{
	$node->safe_psql('postgres', "SET client_min_messages = warning; SELECT create_usage_ledger('gone'); " . executions(200, ledger => 'gone') . 'DROP SCHEMA gone CASCADE');
}
$node->safe_psql('postgres', "SET client_min_messages = warning; BEGIN; SELECT create_usage_ledger('gone'); " . executions(200, ledger => 'gone') . 'DROP SCHEMA gone CASCADE; COMMIT');
$node->safe_psql('postgres', executions(200) . 'ALTER SCHEMA usage RENAME TO renamed');
$node->psql('postgres', executions(200, ledger => 'renamed'));
wait_for_no_worker();
$node->safe_psql('postgres', 'ALTER SCHEMA renamed RENAME TO usage');
unlike(slurp_file($node->logfile, $log_start), qr/PANIC|terminated by signal/, 'no harm done by ledgers that are dropped');

# ---- databases that go -------------------------------------------------------

foreach my $round (1 .. 6)
{
	$node->safe_psql('postgres', 'CREATE DATABASE brief');
	$node->safe_psql('brief', 'CREATE EXTENSION usage_meter; SELECT create_usage_ledger();' . executions(12000));
	usleep(60_000 * $round);
	is($node->psql('postgres', 'DROP DATABASE brief'), 0, "round $round: DROP DATABASE does not fail");
}

# ---- read-only ----------------------------------------------------------------

$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$node->safe_psql('postgres', executions(20000));
ok($node->poll_query_until('postgres', "SELECT backlog = 0 FROM usage.fold_status"), 'folded with a standby');
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', 'SELECT executions FROM usage.summary(\'all\')'),
	$node->safe_psql('postgres', 'SELECT count(*) FROM usage.execution_history'), 'the standby reports the same');
is($standby->safe_psql('postgres', "SELECT count(*) FROM $workers"), 0, 'and starts no worker');
$standby->stop;

$node->safe_psql('postgres', 'ALTER DATABASE postgres SET default_transaction_read_only = on');
$node->safe_psql('postgres', 'SET default_transaction_read_only = off;' . executions(200));
wait_for_no_worker();
is(count_of('usage.usage_deltas'), 200, 'a database that is read-only by default is left alone');

my $log = slurp_file($node->logfile);
unlike($log, qr/PANIC: /, 'no panic');
$node->stop;
done_testing();
