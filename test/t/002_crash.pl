# The server is killed with SIGKILL, all its processes at once, in the middle of
# the load. After recovery the ledger is exact, and everything is there that was
# acknowledged to a client. USAGE_METER_CRASHES says how often, 3 times unless given.
# Runs alone: the load has to get somewhere before the crash.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use UsageLoad;

my $crashes = $ENV{USAGE_METER_CRASHES} // 3;
my $node = new_node('crash', '');

sub children_of
{
	my ($parent) = @_;
	my @children;

	foreach my $file (glob '/proc/[0-9]*/stat')
	{
		open my $stat, '<', $file or next;    # it has just ended
		my $line = <$stat> // '';
		push @children, $1 if $line =~ /^(\d+) \(.*\) \S (\d+) / && $2 == $parent;
	}
	return @children;
}

# The postmaster is stopped first: it must not tell its children, nor start more.
sub kill_server
{
	my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
	my @backends;

	kill 'STOP', $postmaster or BAIL_OUT('no postmaster to kill');
	@backends = children_of($postmaster);
	kill 'KILL', @backends;
	$node->kill9;
	for (my $i = 0; $i < 500 && grep { -d "/proc/$_" } $postmaster, @backends; $i++)
	{
		usleep(20_000);
	}
	return scalar @backends;
}

# Transactions per client of which pgbench has learned that they are committed,
# without those that roll back.
sub acknowledged
{
	my ($writers, $log) = @_;
	my %count;

	foreach my $file (glob "$log.*")
	{
		foreach my $line (split /\n/, slurp_file($file))
		{
			# client, number, latency, script, seconds, microseconds
			my ($client, $script) = (split / /, $line)[ 0, 3 ];
			$count{$client}++ if $writers->{scripts}[$script] ne 'abandon';
		}
	}
	return %count;
}

# Per client, what was there before, what was acknowledged since, what is there now.
sub is_all_there
{
	my ($before, $acknowledged, $round) = @_;
	my %now = truth_of_clients();
	my (@lost, @invented, $total);

	foreach my $client (0 .. 15)
	{
		my $known = ($before->{$client} // 0) + ($acknowledged->{$client} // 0);
		my $found = $now{$client} // 0;

		$total += $acknowledged->{$client} // 0;
		push @lost, "client $client: $found of $known" if $found < $known;
		# The one in flight may have been committed.
		push @invented, "client $client: $found, not $known" if $found > $known + 1;
	}
	is_deeply(\@lost, [], "round $round: every acknowledged transaction is there");
	is_deeply(\@invented, [], "round $round: and no other, but for those in flight");
	cmp_ok($total, '>', 200, "round $round: there were acknowledged transactions");
}

sub truth_of_clients
{
	return map { split /\|/ }
	  split /\n/, $node->safe_psql('postgres', 'SELECT client, count(*) FROM truth WHERE client >= 0 GROUP BY 1');
}

foreach my $round (1 .. $crashes)
{
	my %before = truth_of_clients();
	my $rows = $node->safe_psql('postgres', 'SELECT count(*) FROM truth');
	my $log = $node->basedir . "/acknowledged_$round";
	my $writers = start_writers($node, 120, $log);
	my $folds = $round % 3 > 0 ? start_folds($node, 120, 1) : undef;
	my $open_fold;

	wait_for_truth($node, $rows + 1000);
	if ($round % 3 == 0)
	{
		# With certainty in the middle of a fold, of which half is on disk already.
		$open_fold = $node->background_psql('postgres');
		# A background worker may be folding: its turn first.
		$open_fold->query_safe('BEGIN; DO $$ BEGIN PERFORM FROM usage.fold_state FOR UPDATE; END $$');
		cmp_ok($open_fold->query_safe('SELECT usage.fold()'), '>', 0, 'a fold is open');
		$node->safe_psql('postgres', 'CHECKPOINT');
		wait_for_truth($node, $rows + 1500);
	}
	cmp_ok(kill_server(), '>=', 17, "round $round: killed the server and its sessions");

	foreach my $client (grep { defined } $writers, $folds)
	{
		finish($client);
		isnt($client->{status}, 0, "round $round: $client->{name} has lost its server");
	}
	eval { $open_fold->quit } if $open_fold;

	$node->start;
	like(slurp_file($node->logfile), qr/(?s:.*)database system was not properly shut down; automatic recovery in progress/,
		"round $round: the server has recovered");
	my %acknowledged = acknowledged($writers, $log);
	is_all_there(\%before, \%acknowledged, $round);
	is_proven($node, "round $round, recovered");
	$node->safe_psql('postgres', 'SELECT usage.fold()');
	is_proven($node, "round $round, folded");

	# Life goes on, with the same price.
	$node->safe_psql('postgres', q{
		INSERT INTO usage.execution_history (customer_id, provider, model, input_tokens) VALUES ('hot', 'acme', 'echo', 1000);
		INSERT INTO truth VALUES (-1, 1, 1000, 0.003)});
	is_proven($node, "round $round, continued");
}

is(scalar(() = slurp_file($node->logfile) =~ /automatic recovery in progress/g), $crashes, 'there were so many crashes');
unlike(slurp_file($node->logfile), qr/PANIC: /, 'and no panic');

$node->stop;
done_testing();
