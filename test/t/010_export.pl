# The script that exports a ledger: complete, repeatable, checked by its sums.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('export');
$node->init;
$node->append_conf('postgresql.conf', "timezone = 'UTC'\nlog_statement = none\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION usage_meter;
	SELECT create_usage_ledger('Other "Ledger"');
	INSERT INTO "Other ""Ledger""".execution_history (created_at, customer_id, provider, model, input_tokens, error_message)
	SELECT '2025-01-01 20:00Z'::timestamptz + n * interval '1 hour', 'acme', 'openai', 'gpt-4o', n, E'a "quote", a \\\\ and\n a line'
	FROM generate_series(1, 100) AS n;
});
chomp(my $share = `pg_config --sharedir`);

# Exports into a new directory: that, and what was said.
sub export
{
	my (%variables) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir;
	my ($output, $errors);
	my $good = IPC::Run::run(
		[
			'psql', '-X', '-d', $node->connstr('postgres'), '-v', "dir=$dir", '-v', 'ledger=Other "Ledger"',
			(map { ('-v', "$_=$variables{$_}") } keys %variables), '-f', "$share/extension/usage_meter_export.sql"
		],
		'>', \$output, '2>', \$errors);

	return ($dir, $output, $errors, $good);
}

my ($dir, $output, $errors, $good) = export();
my @names = qw(daily errors executions focus hourly models projects summary);
is($output, join('', map { "Exporting $_ ...\n" } @names) . "Usage data exported successfully!\n", 'it says what it does');
is($errors, '', 'without errors');
is(slurp_file("$dir/MANIFEST.csv"),
	"file,rows\ndaily.csv,6\nerrors.csv,0\nexecutions.csv,100\nfocus.csv,6\nhourly.csv,100\nmodels.csv,1\nprojects.csv,1\nsummary.csv,1\n",
	'rows of each file');
is(system("cd $dir && sha256sum --status --check SHA256SUMS"), 0, 'the sums are right');
is(join(' ', sort map { s/.*\///r } glob "$dir/*"), join(' ', 'MANIFEST.csv', 'SHA256SUMS', map { "$_.csv" } @names), 'there is nothing else');

my ($again) = export();
is(slurp_file("$again/SHA256SUMS"), slurp_file("$dir/SHA256SUMS"), 'the same data make the same bytes');

my ($local) = export(zone => 'Asia/Kathmandu', format => 'tsv');
like(slurp_file("$local/daily.tsv"), qr/^day\texecutions.*\n2025-01-02\t22\t/, 'days of a time zone, as TSV');

# What Python reads is what is stored.
my $check = q{
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1] + '/executions.ndjson')] if sys.argv[2] == 'ndjson' else json.load(open(sys.argv[1] + '/executions.json'))
assert len(rows) == 100 and sum(row['input_tokens'] for row in rows) == 5050
assert all(row['error_message'] == 'a "quote", a \\\\ and\n a line' for row in rows), rows[0]['error_message']
assert sys.argv[2] == 'ndjson' or json.load(open(sys.argv[1] + '/errors.json')) == []
};
for my $format ('ndjson', 'json')
{
	my ($json) = export(format => $format);
	is(system('python3', '-c', $check, $json, $format), 0, "as $format");
	like(slurp_file("$json/MANIFEST.csv"), qr/^executions\.$format,100$/m, "rows of $format");
}

($dir, $output, $errors, $good) = export(format => 'xml');
ok(!$good && $errors =~ /the formats are csv, tsv, ndjson and json/ && $output !~ /success/, 'no such format');

# A view more is a file more.
$node->safe_psql('postgres', q{CREATE VIEW "Other ""Ledger""".export_more AS SELECT 1 AS one});
($dir) = export();
is(slurp_file("$dir/more.csv"), "one\n1\n", 'a view that is added is exported');

done_testing();
