# A server with a ledger under concurrent load, for the tests in this directory.
#
# Sixteen writers append executions of one customer to the ledger "usage", by
# single-row and multi-row INSERT, COPY, and UPDATE of open executions. Each
# transaction also appends what it has done to the plain table "truth", so that
# at every instant and after every crash truth tells what the ledger must say.
# Meanwhile two sessions call fold() in a loop.

package UsageLoad;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(new_node start_writers start_folds finish proof is_proven wait_for_truth);

# The scripts of the writers, in the order that pgbench numbers them, and how
# often each runs. The first parts of the names tell who appends to truth.
my @scripts = (
	[ single => 6, <<'' ],
\set input random(0, 2000)
\set output random(0, 1000)
BEGIN;
INSERT INTO usage.execution_history (customer_id, provider, model, input_tokens, output_tokens, duration_ms)
VALUES ('hot', 'acme', 'echo', :input, :output, :input / 7.0);
INSERT INTO truth VALUES (:client_id, 1, :input + :output, :input * 0.000003 + :output * 0.000015);
COMMIT;

	[ several => 3, <<'' ],
\set project random(1, 9)
\set input random(0, 2000)
BEGIN;
INSERT INTO usage.execution_history (customer_id, project_id, provider, model, input_tokens)
VALUES ('hot', 'project ' || :project, 'acme', 'echo', :input);
INSERT INTO usage.execution_history (customer_id, project_id, provider, model, input_tokens)
VALUES ('hot', 'project ' || 10 - :project, 'acme', 'echo', :input);
INSERT INTO usage.execution_history (customer_id, project_id, user_id, status)
VALUES ('hot', 'project ' || :project * 5 % 7, 'user ' || :client_id, 'failed');
INSERT INTO truth VALUES (:client_id, 3, 2 * :input, :input * 0.000006);
COMMIT;

	[ multi => 2, <<'' ],
\set rows random(2, 60)
BEGIN;
INSERT INTO usage.execution_history (customer_id, project_id, provider, model, output_tokens)
SELECT 'hot', 'project ' || number % 9, 'acme', 'echo', number FROM generate_series(1, :rows) AS number;
INSERT INTO truth VALUES (:client_id, :rows, :rows * (:rows + 1) / 2, :rows * (:rows + 1) / 2 * 0.000015);
COMMIT;

	[ copy => 1, <<'' ],
BEGIN;
COPY usage.execution_history (customer_id, project_id, provider, model, input_tokens, cache_read_tokens, duration_ms) FROM '@copy@';
INSERT INTO truth VALUES (:client_id, 300, 300 * 301, 300 * 301 * 0.000003);
COMMIT;

	[ finish => 2, <<'' ],
\set output random(0, 1000)
BEGIN;
INSERT INTO usage.execution_history (customer_id, provider, model, status) VALUES ('hot', 'acme', 'echo', 'running')
RETURNING quote_literal(id) AS id, quote_literal(created_at) AS created_at \gset
INSERT INTO truth VALUES (:client_id, 1, :output, :output * 0.000015);
UPDATE usage.execution_history SET status = 'success', output_tokens = :output
WHERE id = :id AND created_at = :created_at;
COMMIT;

	[ abandon => 1, <<'' ],
BEGIN;
INSERT INTO usage.execution_history (customer_id, provider, model, input_tokens) VALUES ('hot', 'acme', 'echo', 1000000);
ROLLBACK;

);

# One statement, hence one snapshot: what reports say beside what is true, each
# as "executions tokens cost".
my $truth = q{(SELECT concat_ws(' ', coalesce(sum(executions), 0), coalesce(sum(tokens), 0), coalesce(trim_scale(sum(cost)), 0)) FROM truth)};
my %proofs = (
	total => q{(SELECT concat_ws(' ', executions, total_tokens, cost) FROM usage.summary('all'))},
	customer => q{(SELECT concat_ws(' ', executions, total_tokens, cost) FROM usage.summary('all', filter => '{"customer_id": "hot"}'))},
	daily => q{(SELECT concat_ws(' ', coalesce(sum(executions), 0), coalesce(sum(total_tokens), 0), coalesce(trim_scale(sum(cost)), 0)) FROM usage.daily('2d', time_zone => 'Asia/Kathmandu'))},
	projects => q{(SELECT concat_ws(' ', coalesce(sum(executions), 0), coalesce(sum(total_tokens), 0), coalesce(trim_scale(sum(cost)), 0)) FROM usage.usage_report('{project_id}', period => 'all'))});

sub proof
{
	return 'SELECT ' . join(', ', map { "$proofs{$_} AS $_" } @_) . ", $truth AS truth";
}

sub new_node
{
	my ($name, $conf) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init;
	$node->append_conf('postgresql.conf', <<CONF);
wal_level = replica
max_connections = 60
log_statement = none
log_lock_waits = on
deadlock_timeout = 10ms
autovacuum_naptime = 1s
shared_buffers = 128MB
timezone = 'UTC'
$conf
CONF
	$node->start;
	$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION usage_meter;
SELECT create_usage_ledger();
SELECT usage.set_price('acme', 'echo', input_per_million => 3, output_per_million => 15, valid_from => '-infinity');
CREATE TABLE truth (client integer, executions bigint, tokens bigint, cost numeric);
SQL
	append_to_file(copy_file($node), join('', map { "hot\tproject $_\tacme\techo\t$_\t$_\t$_.5\n" } 1 .. 300));
	return $node;
}

sub copy_file
{
	my ($node) = @_;
	return $node->basedir . '/executions.copy';
}

sub script_file
{
	my ($node, $name, $text) = @_;
	my $file = $node->basedir . "/$name.sql";

	unlink $file;
	append_to_file($file, $text);
	return $file;
}

# A client program in the background; finish() waits for it.
sub launch
{
	my ($node, @command) = @_;
	my %client = (out => '', err => '', name => $command[0]);
	my @connection = ('-h', $node->host, '-p', $node->port);

	# A statement that hangs must not hang the test.
	local $ENV{PGOPTIONS} = '-c statement_timeout=60s';
	$client{run} = IPC::Run::start([ shift @command, @connection, @command ],
		'<', \undef, '>', \$client{out}, '2>', \$client{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return \%client;
}

# Returns the client with its exit code in {status}.
sub finish
{
	my ($client) = @_;

	eval { $client->{run}->finish; 1 } or BAIL_OUT("$client->{name} did not end: $@");
	$client->{status} = $client->{run}->full_result(0);
	return $client;
}

# $log: also write a line per transaction that the server has acknowledged, in
# files whose names begin so. Then $client->{scripts} names the scripts.
sub start_writers
{
	my ($node, $seconds, $log) = @_;
	my $copy = copy_file($node);
	my @arguments = ('-n', '-c', 16, '-j', 2, '-T', $seconds);
	my $client;

	foreach my $script (@scripts)
	{
		my ($name, $weight, $text) = @$script;
		$text =~ s/\@copy\@/$copy/;
		push @arguments, '-f', script_file($node, $name, $text) . "\@$weight";
	}
	push @arguments, '-l', "--log-prefix=$log" if defined $log;
	$client = launch($node, 'pgbench', @arguments, 'postgres');
	$client->{scripts} = [ map { $_->[0] } @scripts ];
	return $client;
}

# Two, so that one is often refused. $pause is in milliseconds.
sub start_folds
{
	my ($node, $seconds, $pause) = @_;
	my $file = script_file($node, 'fold', "SELECT usage.fold();\n\\sleep $pause ms\n");

	return launch($node, 'pgbench', '-n', '-c', 2, '-T', $seconds, '-f', $file, 'postgres');
}

sub wait_for_truth
{
	my ($node, $rows) = @_;

	$node->poll_query_until('postgres', "SELECT count(*) >= $rows FROM truth")
	  or BAIL_OUT('the load does not get on');
}

# Reports, cubes and raw rows all say what is true. Returns the executions.
sub is_proven
{
	my ($node, $when) = @_;
	my @reports = sort keys %proofs;
	my @said = split /\|/, $node->safe_psql('postgres', proof(@reports));
	my $truth = pop @said;

	is($said[$_], $truth, "$when: $reports[$_] is true") foreach 0 .. $#reports;
	is($node->safe_psql('postgres', 'SELECT * FROM usage.reconcile() LIMIT 20'), '', "$when: reconcile() finds no difference");
	is( $node->safe_psql('postgres', q{
			SELECT concat_ws(' ', count(*), coalesce(sum(total_tokens), 0), coalesce(trim_scale(sum(cost)), 0))
			FROM usage.execution_history}),
		$truth, "$when: the raw executions are true");
	return (split / /, $truth)[0];
}

1;
