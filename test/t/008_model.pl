# Thousands of random statements against a ledger and against a plain table whose
# triggers and queries say in the plainest way what a ledger is (model.sql). Each
# must do the same to both: the same error or the same number of rows, then the
# same rows, and after each step a random report must be what its query gives.
#
#   USAGE_METER_MODEL_SEED    what to draw                                   1
#   USAGE_METER_MODEL_STEPS   how many statements                          350
#
# The statements of a seed do not depend on their number: where step 700 of seed
# 5 fails, seed 5 with 700 steps fails.

use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{USAGE_METER_MODEL_SEED} // 1;
my $steps = $ENV{USAGE_METER_MODEL_STEPS} // 350;

# ---- drawing

srand($seed);

sub draw { return $_[ int(rand(@_)) ]; }
sub chance { return rand() < $_[0]; }
sub number { return int(rand($_[0])); }

sub text { return defined $_[0] ? "'$_[0]'" : 'NULL'; }

my @days = ('2019-12-31 23:59:59.999999', '2020-01-01', '2020-01-15', '2020-01-31 23:59:59.999999', '2020-02-01', '2020-02-29', '2020-03-10', '1999-09-09');

sub instant
{
	my $day = draw(@days);

	return "'$day'" if chance(0.3);
	return sprintf("'%s %02d:%02d:%02d.%06d'", substr($day, 0, 10), number(24), number(60), number(60), number(1_000_000));
}

sub customer { return draw(qw(ann bob eve)); }
sub condition
{
	return draw(
		"customer_id = '" . customer() . "'",
		"project_id = '" . draw(qw(p q r)) . "'",
		"created_at < " . instant(),
		"created_at >= " . instant() . " AND customer_id = '" . customer() . "'",
		"status IN ('pending', 'running')",
		"input_tokens % " . (2 + number(5)) . " = 0",
		"output_tokens IS NULL",
		"deleted_at IS NOT NULL",
		"section IS NULL AND model = 'echo'",
		"id::text < '" . sprintf('%x', number(16)) . "'",
		'false');
}

# What an INSERT says, column by column; undef is left out.
my $drawn = 0;

sub row
{
	my %row = (
		id => "'" . sprintf('%08x-0000-7000-8000-%012x', number(2**32), ++$drawn) . "'",
		created_at => instant(),
		customer_id => text(customer()),
		project_id => text(draw(qw(p q r), undef)),
		section => text(draw('chat', '', undef)),
		user_id => text(draw(qw(u v), undef)),
		provider => text(draw('acme', 'acme', undef)),
		model => text(draw(qw(echo echo foxtrot), undef)),
		environment => text(draw(qw(production production sandbox))),
		status => text(draw(qw(success success success failed timeout cancelled pending running))),
		error_code => text(draw('429 slow down', 'boom', undef, undef)),
		input_tokens => draw(number(1000), 'NULL'),
		cache_read_tokens => draw(number(100), 'NULL', 'NULL'),
		output_tokens => draw(number(1000), 'NULL'),
		duration_ms => draw(number(100000) / 1000, 'NULL'),
		queue_time_ms => draw(number(1000), 'NULL'),
		byok => chance(0.1) ? 'true' : 'false',
		cost => chance(0.2) ? number(100) / 7 : 'NULL',
		token_source => text(draw('estimated', 'counted', undef, undef)));

	$row{reasoning_tokens} = chance(0.2) && $row{output_tokens} ne 'NULL' ? number(1 + $row{output_tokens}) : 'NULL';
	if (chance(0.25))
	{
		# of few requests, so that they are repeated
		%row = (%row, map { $_ => 'NULL' } grep { !/^(id|created_at|environment|status|byok)$/ } keys %row);
		%row = (%row, customer_id => "'ann'", request_id => "'r" . number(12) . "'", source => text(draw('s', undef)), status => "'success'",
			byok => 'false', environment => "'production'", provider => "'acme'", model => "'echo'", input_tokens => chance(0.8) ? 7 : 8);
	}
	if (chance(0.02))
	{
		my ($column, $value) = @{ draw([ input_tokens => -1 ], [ duration_ms => -0.5 ], [ status => "'done'" ], [ customer_id => "''" ],
				[ reasoning_tokens => 100000 ], [ model => "repeat('x', 256)" ], [ cost => -1 ]) };
		$row{$column} = $value;
	}
	$row{$_} //= 'NULL' foreach qw(request_id source);
	return \%row;
}

my @columns = sort keys %{ row() };
my $columns = join(', ', @columns);

sub values_of { my ($row) = @_; return '(' . join(', ', map { $row->{$_} } @columns) . ')'; }

sub assignment
{
	return draw(
		'input_tokens = ' . draw('input_tokens + 1', number(1000), 'NULL', 'input_tokens'),
		'output_tokens = ' . number(1000) . ', reasoning_tokens = NULL',
		"status = '" . draw(qw(success failed timeout cancelled running)) . "'",
		"status = 'success', output_tokens = coalesce(output_tokens, 0) + 3, duration_ms = 12.5",
		"customer_id = '" . customer() . "'",
		'project_id = ' . text(draw(qw(p q r), undef)) . ', user_id = ' . text(draw(qw(u v), undef)),
		'model = ' . text(draw(qw(echo foxtrot), undef)),
		'byok = NOT byok',
		'cost = 5, price_status = NULL, shadow_cost = 9',
		'credited_cost = ' . draw(1, 'NULL', 'cost'),
		'duration_ms = ' . draw('duration_ms * 2', number(1000), 'NULL') . ', queue_time_ms = 4',
		"deleted_at = '2020-06-01', deleted_reason = 'test'",
		'deleted_at = NULL, deleted_reason = NULL',
		"metadata = '{}'",
		'created_at = created_at + ' . draw("interval '1 day'", "interval '1 microsecond'", "interval '1 month'", "- interval '40 days'"),
		'input_tokens = input_tokens - 1',
		"request_id = 'r3'");
}

# One that exists, as the model knows.
sub one { return "(SELECT id FROM model.plain ORDER BY md5(id::text || '$drawn') LIMIT 1)"; }

# ---- statements: %s stands for the table; or one for the ledger and one for the model

sub insert { return "INSERT INTO %s ($columns) VALUES " . join(', ', map { values_of(row()) } 1 .. 1 + number($_[0])) }

my @plain_copy = qw(id created_at customer_id project_id input_tokens output_tokens duration_ms status);

sub copy
{
	my @lines;

	foreach (0 .. number(6))
	{
		my $row = row();
		push @lines, join("\t", map { my $value = $row->{$_}; $value eq 'NULL' ? '\\N' : $value =~ s/^'(.*)'$/$1/r } @plain_copy);
	}
	return join("\n", "COPY %s (" . join(', ', @plain_copy) . ') FROM stdin;', @lines, '\\.');
}

sub insert_select
{
	return "INSERT INTO %s ($columns) SELECT " . join(', ', map { /^id$/ ? "md5(id::text || '" . ++$drawn . "')::uuid" : $_ } @columns)
	  . ' FROM %s WHERE ' . condition() . ' ORDER BY id LIMIT 20';
}

# both of the statement's ways to say which, and then whether it is there; PostgreSQL
# refuses one that would move the row to another partition
sub on_conflict
{
	my $row = row();
	my $assignment;

	do { $assignment = assignment() } while $assignment =~ /^created_at/;
	@$row{qw(id created_at)} = ('p.id', 'p.created_at') if chance(0.7);
	return "INSERT INTO %s AS e ($columns) SELECT " . join(', ', map { $row->{$_} } @columns)
	  . ' FROM (SELECT id, created_at FROM model.plain WHERE id = ' . one() . ') AS p ON CONFLICT (id, created_at) DO '
	  . draw('NOTHING', 'UPDATE SET ' . $assignment =~ s/\b(input_tokens|output_tokens|duration_ms|byok)\b(?! =)/e.$1/gr,
		'UPDATE SET input_tokens = excluded.input_tokens, customer_id = excluded.customer_id');
}

sub merge
{
	my $row = row();

	return 'MERGE INTO %s AS e USING (SELECT id, created_at, input_tokens FROM model.plain WHERE ' . condition()
	  . " UNION ALL SELECT $row->{id}, $row->{created_at}::timestamptz, $row->{input_tokens}) AS s (id, created_at, input_tokens)"
	  . ' ON e.id = s.id AND e.created_at = s.created_at'
	  . ' WHEN MATCHED AND e.input_tokens % 3 = 0 THEN DELETE'
	  . ' WHEN MATCHED THEN UPDATE SET output_tokens = 11, project_id = \'merged\', reasoning_tokens = 0'
	  . " WHEN NOT MATCHED THEN INSERT ($columns) VALUES " . values_of($row);
}

# straight to a partition
sub partition
{
	my $month = "created_at >= '2020-01-01' AND created_at < '2020-02-01'";
	my $row = row();
	my $statement = draw(
		"INSERT INTO %s ($columns) VALUES " . values_of({ %$row, created_at => "'2020-01-" . (1 + number(31)) . "'" }),
		"UPDATE %s SET input_tokens = coalesce(input_tokens, 0) + 2 WHERE $month AND " . condition(),
		"DELETE FROM %s WHERE $month AND customer_id = 'bob' AND " . condition());

	return [ map { $statement =~ s/%s/$_/r } 'usage.execution_history_2020_01', 'model.plain' ];
}

sub correction
{
	my $which = 'id = ' . one();
	my $amount = draw(0.25, 3, 700, 30000, -0.25, -3);
	my ($customer, $since, $until) = ("'" . customer() . "'", draw("'-infinity'", instant()), "'infinity'");
	my ($input, $output) = (1 + number(3), draw(0, 0.5, 2));

	return draw(
		[ "SELECT usage.delete_execution(id, 'model') FROM model.plain WHERE $which AND deleted_at IS NULL",
			"UPDATE model.plain SET deleted_at = now(), deleted_reason = 'model' WHERE $which AND deleted_at IS NULL" ],
		[ "SELECT usage.undelete_execution(id) FROM model.plain WHERE $which AND deleted_at IS NOT NULL",
			"UPDATE model.plain SET deleted_at = NULL, deleted_reason = NULL WHERE $which AND deleted_at IS NOT NULL" ],
		[ "UPDATE usage.execution_history SET customer_id = $customer WHERE $which", "UPDATE model.plain SET customer_id = $customer WHERE $which" ],
		[ "SELECT usage.credit($amount, 'model', execution_id => id) FROM model.plain WHERE $which",
			"SELECT model.credit($amount, id, NULL, '-infinity', 'infinity') FROM model.plain WHERE $which" ],
		[ "SELECT usage.credit($amount, 'model', NULL, $customer, $since, $until)", "SELECT model.credit($amount, NULL, $customer, $since, $until)" ],
		[ "SELECT usage.set_price('acme', 'echo', $input * 1000000, $output * 1000000, valid_from => '-infinity')",
			"UPDATE model.price SET input = $input, output = $output" ],
		# by the day: not of twenty years
		[ "SELECT count(*) FROM usage.rerate('2019-12-31', '2020-03-11', jsonb_build_object('customer_id', $customer), dry_run => false)",
			"SELECT model.rerate('2019-12-31', '2020-03-11', $customer)" ]);
}

sub failing
{
	return draw(
		"INSERT INTO %s (id, created_at, customer_id, input_tokens) SELECT md5('$drawn' || n)::uuid, '2020-01-01', 'bad', 100 / (3 - n) FROM generate_series(1, 5) AS n",
		"UPDATE %s SET input_tokens = input_tokens / (input_tokens % 7) WHERE input_tokens IS NOT NULL",
		"INSERT INTO %s (id, created_at, customer_id) SELECT id, created_at, 'again' FROM %s WHERE " . condition());
}

sub statement
{
	my $kind = rand();

	return insert(1) if $kind < 0.22;
	return insert(6) if $kind < 0.34;
	return copy() if $kind < 0.42;
	return insert_select() if $kind < 0.46;
	return on_conflict() if $kind < 0.54;
	return 'UPDATE %s SET ' . assignment() . ' WHERE ' . condition() if $kind < 0.72;
	return 'DELETE FROM %s WHERE ' . condition() . ' AND ' . condition() if $kind < 0.78;
	return merge() if $kind < 0.82;
	return partition() if $kind < 0.88;
	return correction() if $kind < 0.95;
	return failing() if $kind < 0.975;
	return draw([ 'SELECT usage.adopt_default_rows()', 'SELECT 1' ], [ "SELECT usage.create_partition('2020-03-01')", 'SELECT 1' ],
		'SET usage_meter.on_bad_row = quarantine', 'SET usage_meter.on_bad_row = reject');
}

# ---- the script

my ($in_transaction, $has_savepoint) = (0, 0);

# What is done between two steps, to both at once.
sub control
{
	return "SELECT usage.fold();\n" if chance(0.08);
	if (!$in_transaction)
	{
		return '' unless chance(0.12);
		$in_transaction = 1;
		return "BEGIN;\n";
	}
	if (chance(0.15))
	{
		($in_transaction, $has_savepoint) = (0, 0);
		return draw("COMMIT;\n", "ROLLBACK;\n");
	}
	if (chance(0.2))
	{
		return "ROLLBACK TO s;\n" if $has_savepoint && chance(0.5);
		$has_savepoint = 1;
		return "SAVEPOINT s;\n";
	}
	return '';
}

sub report
{
	my @dimensions = grep { chance(0.25) } qw(customer_id project_id section model environment user_id);
	my $range = draw("'-infinity', 'infinity'", "'-infinity', " . instant(), "'2020-01-10 10:07', '2020-02-03'", "'2020-01-01', '2020-02-01'");
	my $filter = draw('{}', '{}', '{"customer_id": "ann"}', '{"model": "echo"}', '{"customer_id": "bob", "project_id": "p"}');
	my $time_zone = draw(qw(UTC Asia/Kathmandu America/New_York));
	my $name = draw(qw(summary daily models projects errors));
	my $step = text(draw(undef, undef, qw(hour day week month)));

	# has a row for each day of its range, be it of twenty years
	$range = draw("'2020-01-10 10:07', '2020-02-03'", "'2019-12-31', '2020-03-11'") if $name eq 'daily';
	return "model.named_differences('$name', $range, '$filter', '$time_zone')" if chance(0.4);
	return "model.report_differences('{" . join(',', @dimensions) . "}', $step, $range, '$filter', '$time_zone')";
}

sub step
{
	my ($number) = @_;
	my $control = control();
	my $statement = statement();
	my ($ledger, $model) = ref $statement ? @$statement : map { $statement =~ s/%s/$_/gr } 'usage.execution_history', 'model.plain';
	my $report = report();
	# takes as long as all the rest
	my $reconcile = 'FROM usage.reconcile()' . ($number % 10 ? ' LIMIT 0' : '');

	s/;?$/;/ foreach $ledger, $model;
	s/\\\.;$/\\./ foreach $ledger, $model;
	return <<STEP;
-- step $number
$control\\set differs true
$ledger
\\set ledger :SQLSTATE
\\set ledger_rows :ROW_COUNT
$model
\\set model :SQLSTATE
\\set model_rows :ROW_COUNT
SELECT :'ledger' <> :'model' OR :'ledger_rows' <> :'model_rows' OR EXISTS (SELECT FROM model.raw_differences())
       OR EXISTS (SELECT FROM $report) OR EXISTS (SELECT $reconcile) AS differs \\gset
\\if :differs
\\echo step $number: the ledger said :ledger (:ledger_rows rows), the model :model (:model_rows rows)
SELECT * FROM model.raw_differences();
SELECT * FROM $report;
SELECT * FROM usage.reconcile();
\\q
\\endif
STEP
}

# ---- the test

my $node = PostgreSQL::Test::Cluster->new('model');
$node->init;
$node->append_conf('postgresql.conf', "timezone = 'UTC'\nfsync = off\njit = off\n");
$node->start;
$node->safe_psql('postgres', q{
CREATE EXTENSION usage_meter;
SELECT create_usage_ledger();
SELECT usage.set_price('acme', 'echo', input_per_million => 1000000, output_per_million => 2000000, valid_from => '-infinity');
SELECT usage.create_partition('2020-01-01');
SELECT usage.create_partition('2020-02-01');
});
$node->safe_psql('postgres', slurp_file("$FindBin::RealBin/model.sql"));

my $script = $node->basedir . '/model.psql';
append_to_file($script, join('', "\\set ON_ERROR_ROLLBACK on\n\\o /dev/null\n", (map { step($_) =~ s/^(\\echo|SELECT \*.*)/\\o\n$1/mr } 1 .. $steps),
	"\\o\nSELECT 'done', count(*) > 0 FROM usage.execution_history;\n"));

my ($out, $err) = ('', '');
IPC::Run::run([ 'psql', '-XqAt', '-h', $node->host, '-p', $node->port, '-f', $script, 'postgres' ], '>', \$out, '2>', \$err);
is($out, "done|t\n", "the ledger is as the model after each of $steps steps of seed $seed")
  or diag(substr($out, 0, 2000), "\n", ($out =~ /^step (\d+):/ ? map { (split /^(?=-- step )/m, slurp_file($script))[$_] } grep { $_ > 0 } $1 - 2 .. $1 : ()), substr($err, -2000));

# The statements are not all errors, nor do all succeed.
my $errors = () = $err =~ /ERROR:/g;
cmp_ok($errors, '>', $steps / 100, 'there were errors');
cmp_ok($errors, '<', $steps, 'and not too many');
note("$errors errors; " . $node->safe_psql('postgres', q{
	SELECT format('%s executions, %s deleted, %s claims, %s in quarantine, %s credits', count(*), count(deleted_at),
		(SELECT count(*) FROM usage.request_claims), (SELECT count(*) FROM usage.quarantine), (SELECT count(*) FROM usage.credits))
	FROM usage.execution_history}));

$node->stop;
done_testing();
