# Sessions that admit calls of one hot budget share their writes to disk, and yet
# whoever was told that he is admitted still is after a crash.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use UsageLoad;

# A write to disk takes 20 ms at least, and nobody but a commit asks for one.
my $node = new_node('early', <<CONF);
fsync = on
max_wal_senders = 1
commit_delay = 20000
commit_siblings = 0
wal_writer_delay = 10s
wal_writer_flush_after = 0
autovacuum = off
usage_meter.fold_threshold = 0
CONF

$node->safe_psql('postgres', q{
	SELECT usage.set_budget('hot', '{"customer_id": "hot"}', 1000, is_hard => true);
	CREATE TABLE bare (spent numeric);
	INSERT INTO bare VALUES (0)});

# ---- one write for many ---------------------------------------------------

my $commits = 16 * 5;

# A session counts its own when it ends, which may be after its client.
sub disk_writes
{
	my ($name, $statement) = @_;
	my $file = UsageLoad::script_file($node, $name, $statement);

	$node->safe_psql('postgres', q{SELECT pg_stat_reset_shared('wal')});
	run_command([ 'pgbench', '-n', '-c', 16, '-j', 2, '-t', $commits / 16, '-h', $node->host, '-p', $node->port, '-f', $file, 'postgres' ]);
	$node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'pgbench'})
	  or BAIL_OUT('sessions stay');
	return $node->safe_psql('postgres', 'SELECT wal_sync FROM pg_stat_wal');
}

cmp_ok(disk_writes('bare', 'UPDATE bare SET spent = spent + 0.01;'), '>=', $commits, 'whoever updates one row needs a write to disk each');
cmp_ok(disk_writes('reserve', q{SELECT usage.reserve('hot', cost => 0.01);}), '<', $commits / 2, 'whoever is admitted shares them');
is($node->safe_psql('postgres', q{SELECT reserved FROM usage.budget_status(name => 'hot')}), '0.8', 'all were admitted');

# ---- and on disk before anybody is told -----------------------------------

for my $round (1 .. 3)
{
	my $reservation = $node->safe_psql('postgres', q{SELECT reservation_id FROM usage.reserve('hot', cost => 1)});
	$node->stop('immediate');
	$node->start;
	is($node->safe_psql('postgres', qq{SELECT amount FROM usage.reservations WHERE reservation_id = '$reservation'}), 1, "a crash takes no reservation that was told of, $round");
}
is($node->safe_psql('postgres', q{SELECT reserved FROM usage.budget_status(name => 'hot')}), '3.8', 'the budget knows of all');

# ---- what a session has set stays -----------------------------------------

my $setting = q{SELECT current_setting('synchronous_commit')};
is($node->safe_psql('postgres', "BEGIN; SELECT release_locks_early(); $setting; COMMIT; $setting"), "\noff\non", 'it is for one transaction');
is($node->safe_psql('postgres', "BEGIN; SAVEPOINT s; SELECT release_locks_early(); ROLLBACK TO s; $setting; COMMIT"), "\non", 'one that is taken back is as any');
is($node->safe_psql('postgres', "SET synchronous_commit = off; BEGIN; SELECT release_locks_early(); COMMIT; $setting"), "\noff", 'who does not wait for the disk goes on so');
is($node->safe_psql('postgres', "BEGIN; SELECT release_locks_early(); CREATE TABLE t (); ROLLBACK; $setting"), "\non", 'nor does a rollback leave anything');

$node->safe_psql('postgres', q{ALTER SYSTEM SET synchronous_standby_names = 'standby'});
$node->reload;
$node->poll_query_until('postgres', q{SELECT current_setting('synchronous_standby_names') = 'standby'}) or BAIL_OUT('no reload');
is($node->safe_psql('postgres', "BEGIN; SELECT release_locks_early(); $setting; COMMIT"), "\non", 'a commit that a standby must confirm waits for it');

$node->stop('immediate');
done_testing();
