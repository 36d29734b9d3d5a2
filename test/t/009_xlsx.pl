# Workbooks, as programs that nobody here wrote read them: Python's zip and XML
# modules, and LibreOffice where it is installed. And a build without the library.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $here = abs_path(dirname(__FILE__));
my $node = PostgreSQL::Test::Cluster->new('xlsx');
$node->init;
$node->append_conf('postgresql.conf', "timezone = 'UTC'\nlog_statement = none\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION usage_meter');

my ($status, $output, $errors) = $node->psql('postgres', q{SELECT to_xlsx(ARRAY[['a', 'SELECT 1']])});
plan skip_all => 'this build has no libxlsxwriter' if $errors =~ /writes no spreadsheets/;

# What an expression makes, as a file.
sub report
{
	my ($sql) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir . '/book.xlsx';

	append_to_file($file, decode_base64($node->safe_psql('postgres', "SELECT encode($sql, 'base64')")));
	return $file;
}

sub workbook
{
	my ($sheets, $zone) = @_;

	return report("to_xlsx($sheets, '$zone')");
}

# Its cells.
sub cells
{
	my ($file) = @_;
	my ($output, $errors);

	IPC::Run::run([ 'python3', "$here/xlsx_cells.py", $file ], '>', \$output, '2>', \$errors) or die $errors;
	chomp $output;
	return $output;
}

# The names of the sheets among the cells.
sub sheets
{
	my ($cells) = @_;

	return join ' ', $cells =~ /^(.*)\|frozen\|/mg;
}

# The rows of a sheet among the cells, each by the names of its columns.
sub rows
{
	my ($cells, $sheet) = @_;
	my (%names, @rows);

	while ($cells =~ /^\Q$sheet\E\|([A-Z]+)(\d+)\|[^|]*\|(.*)$/mg)
	{
		if ($2 == 1) { $names{$1} = $3 }
		else { $rows[$2 - 2]{ $names{$1} } = $3 }
	}
	return @rows;
}

# The error of a call.
sub refusal
{
	my ($sql) = @_;
	my ($status, $output, $errors) = $node->psql('postgres', $sql, extra_params => [ '-v', 'VERBOSITY=verbose' ]);

	isnt($status, 0, "refused: $sql");
	return $errors;
}

# ---- values ---------------------------------------------------------------

my $values = q{ARRAY[['Numbers & more', $$
    SELECT 42::smallint AS small, -7 AS int, 123456789012345 AS big, 9007199254740993 AS huge, 0.1::real AS real, 1e-7::float8 AS double,
           245.80 AS numeric, 0.00000012345678901234567890123 AS fine, 1e20 AS digits, 'NaN'::float8 AS nan, 'Infinity'::numeric AS infinite,
           true AS yes, false AS no, NULL::integer AS nothing$$],
  ['Times', $$
    SELECT '2024-02-29'::date AS day, '1900-02-28'::date AS early, 'infinity'::date AS never, '2024-02-29 12:34:56.789'::timestamp AS local,
           '2024-12-31 20:00:00Z'::timestamptz AS instant, '2024-07-01 00:00:00Z'::timestamptz AS summer, 'infinity'::timestamptz AS forever,
           '06:30'::time AS clock, '1 day 02:30:00'::interval AS length, '1 mon'::interval AS months, '-1 hour'::interval AS negative$$],
  ['Texts', $$
    SELECT '=1+1' AS equals, '+1' AS plus, '-1' AS minus, '@SUM(A1)' AS at, '<a href="x">&amp;</a>' AS markup, E'two\nlines' AS lines,
           ' spaces ' AS spaces, E'bell\x07cr\r' AS control, '_x0041_' AS escape, 'ünï 漢字 👍 عربي' AS words, U&'\FFFF' AS noncharacter,
           '' AS empty, '{"a": 1}'::jsonb AS json, '{1,2}'::integer[] AS list, repeat('x', 32767) AS longest$$]]};
my $book = workbook($values, 'Asia/Kathmandu');
my $expected = <<'END';
Numbers & more|frozen|A2
Numbers & more|filtered|A1:N2
Numbers & more|header|bold FFEDEFF2 thin
Numbers & more|widths|10 10 16 17 10 10 11 18 22 10 12 10 10 11
Numbers & more|A1|text|small
Numbers & more|B1|text|int
Numbers & more|C1|text|big
Numbers & more|D1|text|huge
Numbers & more|E1|text|real
Numbers & more|F1|text|double
Numbers & more|G1|text|numeric
Numbers & more|H1|text|fine
Numbers & more|I1|text|digits
Numbers & more|J1|text|nan
Numbers & more|K1|text|infinite
Numbers & more|L1|text|yes
Numbers & more|M1|text|no
Numbers & more|N1|text|nothing
Numbers & more|A2|0|42
Numbers & more|B2|0|-7
Numbers & more|C2|0|123456789012345
Numbers & more|D2|text|9007199254740993
Numbers & more|E2|number|0.1
Numbers & more|F2|number|1E-07
Numbers & more|G2|number|245.8
Numbers & more|H2|number|1.234567890123457E-07
Numbers & more|I2|text|100000000000000000000
Numbers & more|J2|text|NaN
Numbers & more|K2|text|Infinity
Numbers & more|L2|boolean|1
Numbers & more|M2|boolean|0
Times|frozen|A2
Times|filtered|A1:K2
Times|header|bold FFEDEFF2 thin
Times|widths|11 11 10 20 20 20 11 10 10 10 12
Times|A1|text|day
Times|B1|text|early
Times|C1|text|never
Times|D1|text|local
Times|E1|text|instant
Times|F1|text|summer
Times|G1|text|forever
Times|H1|text|clock
Times|I1|text|length
Times|J1|text|months
Times|K1|text|negative
Times|A2|yyyy-mm-dd|45351
Times|B2|text|1900-02-28
Times|C2|text|infinity
Times|D2|yyyy-mm-dd hh:mm:ss|45351.52426839121
Times|E2|yyyy-mm-dd hh:mm:ss|45658.07291666666
Times|F2|yyyy-mm-dd hh:mm:ss|45474.23958333334
Times|G2|text|infinity
Times|H2|hh:mm:ss|0.2708333333333333
Times|I2|[h]:mm:ss|1.104166666666667
Times|J2|text|1 mon
Times|K2|text|-01:00:00
END
my $cells = cells($book);
is((split /^Texts/m, $cells)[0], $expected, 'numbers and times');

my %text = $cells =~ /^Texts\|([A-Z]+2)\|text\|(.*?)(?=\nTexts\||\z)/gms;
is_deeply(
	\%text,
	{
		A2 => '=1+1', B2 => '+1', C2 => '-1', D2 => '@SUM(A1)', E2 => '<a href="x">&amp;</a>', F2 => "two\nlines",
		G2 => ' spaces ', H2 => 'bell_x0007_cr_x000D_', I2 => '_x005F_x0041_', J2 => 'ünï 漢字 👍 عربي', K2 => "\xEF\xBF\xBD",
		M2 => '{"a": 1}', N2 => '{1,2}', O2 => 'x' x 32767,
	},
	'texts, none of them a formula');

is($node->safe_psql('postgres', "SELECT to_xlsx($values) = to_xlsx($values)"), 't', 'the same data make the same bytes');
is(cells(workbook(q{ARRAY[['Empty', 'SELECT 1 AS nothing WHERE false']]}, 'UTC')),
	"Empty|frozen|A2\nEmpty|filtered|A1\nEmpty|header|bold FFEDEFF2 thin\nEmpty|widths|11\nEmpty|A1|text|nothing", 'no rows: a header');
like($cells, qr/^Texts\|widths\|.* 60$/m, 'a column is at most sixty characters wide');

# ---- rows -----------------------------------------------------------------

my $rows = cells(workbook(q{ARRAY[['Rows', 'SELECT n, n * 0.25 AS quarter FROM generate_series(1, 2500) AS n']]}, 'UTC'));
my $sum = 0;
$sum += $1 while $rows =~ /^Rows\|B\d+\|(?:number|0)\|(.*)$/mg;
is($sum, 2500 * 2501 / 2 / 4, 'rows of several batches are all there');

# Statements that make so many rows of ten cells a workbook, and then tell the most memory that the backend has had, in MB.
sub peak_memory
{
	my ($rows) = @_;
	my $columns = join ', ', map { "n + $_ AS c$_" } 1 .. 10;

	return "SELECT length(to_xlsx(ARRAY[['a', 'SELECT $columns FROM generate_series(1, $rows) AS n']])) > 0 \\g /dev/null\n"
	  . q{SELECT substring(pg_read_file('/proc/self/status'), 'VmHWM:\s*(\d+)')::integer / 1024;} . "\n";
}
my ($few, $many) = split /\n/, $node->safe_psql('postgres', peak_memory(1000) . peak_memory(100000));
cmp_ok($many - $few, '<', 40, 'a hundred times the rows take little more memory');

like(refusal(q{SELECT to_xlsx(ARRAY[['a', 'SELECT FROM generate_series(1, 2)']])}), qr/22023.*no columns/s, 'a query without columns');
like(refusal(q{SELECT to_xlsx(ARRAY[['a', 'SELECT n FROM generate_series(1, 1048576) AS n']])}),
	qr/54000.*too many rows.*holds 1048575 rows/s, 'more rows than a sheet holds');
like(refusal(q{SELECT to_xlsx(ARRAY[['a', 'SELECT repeat(chr(128077), 16384) AS thumbs']])}),
	qr/54000.*too long.*"thumbs" has 32768 characters in row 1/s, 'more characters than a cell holds');

# ---- what may run ---------------------------------------------------------

$node->safe_psql('postgres', q{
	CREATE TABLE kept (n integer);
	CREATE FUNCTION writes() RETURNS integer LANGUAGE sql AS 'INSERT INTO kept VALUES (1) RETURNING n';
	CREATE ROLE stranger;
});
like(refusal(q{SELECT to_xlsx(ARRAY[['a', 'INSERT INTO kept VALUES (1) RETURNING n']])}), qr/INSERT is not allowed/, 'a query that writes');
like(refusal(q{SELECT to_xlsx(ARRAY[['a', 'SELECT writes()']])}), qr/25006/, 'a function that writes');
like(refusal(q{SELECT to_xlsx(ARRAY[['a', 'SELECT 1; SELECT 2']])}), qr/22023.*more than one query/s, 'two queries');
like(refusal(q{SET ROLE stranger; SELECT to_xlsx(ARRAY[['a', 'SELECT * FROM kept']])}), qr/42501/, 'a table of somebody else');
like(refusal(q{SET statement_timeout = '200ms'; SELECT to_xlsx(ARRAY[['a', 'SELECT n, md5(n::text) FROM generate_series(1, 1000000) AS n']])}),
	qr/57014.*sheet "a"/s, 'a query that takes too long');
like(refusal(q{SET temp_file_limit = '1MB'; SELECT to_xlsx(ARRAY[['a', 'SELECT n, md5(n::text) FROM generate_series(1, 100000) AS n']])}),
	qr/53400/, 'a sheet beyond temp_file_limit');
is($node->safe_psql('postgres', q{
	BEGIN;
	SELECT length(to_xlsx(ARRAY[['a', 'SELECT 1']])) > 0;
	INSERT INTO kept VALUES (2);
	COMMIT;
	SELECT n FROM kept}), "t\n2", 'the transaction may write afterwards');

# Errors give back files and memory, or the limit on open files would be reached.
is($node->safe_psql('postgres', q{
	DO $$
	BEGIN
		FOR i IN 1 .. 400 LOOP
			BEGIN
				PERFORM to_xlsx(ARRAY[['a', 'SELECT 1'], ['b', 'SELECT 1 / 0']]);
			EXCEPTION WHEN division_by_zero THEN NULL;
			END;
		END LOOP;
	END $$;
	SELECT count(*) FROM pg_ls_tmpdir()}), '0', 'errors leave no files');

# ---- names of sheets ------------------------------------------------------

for my $name ("''", "'History'", "'a/b'", "repeat('x', 32)", "'''a'", "E'a\\tb'")
{
	like(refusal("SELECT to_xlsx(ARRAY[[$name, 'SELECT 1']])"), qr/22023.*invalid name of a sheet.*DETAIL/s, "the name $name");
}
like(refusal(q{SELECT to_xlsx(ARRAY[['a', 'SELECT 1'], ['A', 'SELECT 2']])}), qr/22023.*Another sheet has it/s, 'the same name twice');
like(refusal(q{SELECT to_xlsx(ARRAY['a', 'SELECT 1'])}), qr/22023.*not pairs/s, 'no pairs');
like(refusal(q{SELECT to_xlsx('{}')}), qr/22023.*not pairs/s, 'no sheets');
like(refusal(q{SELECT to_xlsx(ARRAY[['a', NULL]])}), qr/22023.*not pairs/s, 'no query');
like(refusal(q{SELECT to_xlsx(ARRAY[['a', 'SELECT 1']], 'Mars/Olympus')}), qr/22023.*Mars/s, 'no such time zone');

# ---- the workbook of a ledger ---------------------------------------------

$node->safe_psql('postgres', q{
	SELECT create_usage_ledger();
	INSERT INTO usage.execution_history (created_at, customer_id, project_id, provider, model, input_tokens, output_tokens)
	VALUES ('2025-01-01 20:00Z', 'acme', 'bot', 'openai', 'gpt-4o', 1000000, 100000);
});
my $january = q{since => '2025-01-01', until => '2025-01-03', time_zone => 'Asia/Kathmandu'};
my $report_cells = cells(report("usage.report_xlsx($january)"));
is(sheets($report_cells), 'Summary Daily Models Projects Hourly Errors', 'the sheets of a report');
like($report_cells, qr/^Daily\|A3\|yyyy-mm-dd\|45659\nDaily\|B3\|0\|1\n/m, 'its days are those of the time zone');
like($report_cells, qr/^Hourly\|A2\|yyyy-mm-dd hh:mm:ss\|45659\.04166666666\n/m, 'and so are its hours');
$node->safe_psql('postgres', q{UPDATE usage.retention SET dropped_until = '2025-01-02' WHERE table_name = 'execution_history'});
is(sheets(cells(report("usage.report_xlsx($january)"))), 'Summary Daily Models Projects Hourly', 'no errors where they are not kept');

# The dashboard of test/sql/dashboard.sql.
$node->safe_psql('postgres', join ';', q{SELECT create_usage_ledger('dashboard')}, 'SET search_path = dashboard, public', slurp_file("$here/../sql/data/dashboard.sql"));
my $dashboard = cells(report(q{dashboard.report_xlsx(since => '2025-01-01', until => '2025-01-17')}));
my ($summary) = rows($dashboard, 'Summary');
is(sprintf('%d requests, $%.2f, %d tokens, %.1f s, %.1f %%', @$summary{qw(executions cost total_tokens)}, $summary->{avg_duration_ms} / 1000, $summary->{success_rate}),
	'125430 requests, $245.80, 2847392 tokens, 1.2 s, 99.2 %', 'the five figures of the dashboard');
is(join("\n", map { sprintf '%s: %d, $%.2f, %.1f %%', $_->{model} // $_->{project_id} // 'other', @$_{qw(executions cost share)} } map { rows($dashboard, $_) } 'Models', 'Projects'),
	<<'END' =~ s/\n$//r, 'its models and projects, with their shares');
Scalix Standard: 45000, $67.50, 35.9 %
Scalix Advanced: 38000, $95.00, 30.3 %
Scalix Analyst: 25000, $50.00, 19.9 %
Scalix Coder: 17430, $33.30, 13.9 %
other: 67710, $73.40, 54.0 %
Customer Support Chatbot: 15420, $45.80, 12.3 %
Content Generation API: 12800, $38.20, 10.2 %
Data Analysis Tool: 11200, $33.50, 8.9 %
Code Review Assistant: 9800, $29.40, 7.8 %
Marketing Copy Generator: 8500, $25.50, 6.8 %
END
is(scalar(rows($dashboard, 'Daily')), 16, 'its days');
my $daily_sum = 0;
$daily_sum += $_->{executions} foreach rows($dashboard, 'Daily');
is($daily_sum, 125430, 'which add up');

# ---- LibreOffice ----------------------------------------------------------

SKIP:
{
	skip 'LibreOffice is not installed', 3 if system('command -v soffice >/dev/null') != 0;
	my $dir = PostgreSQL::Test::Utils::tempdir;

	# UTF-8, values as they are shown, every sheet to a file
	my $log = `cd $dir && HOME=$dir soffice --headless -env:UserInstallation=file://$dir/profile --convert-to 'csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1' --outdir $dir '$book' 2>&1`;
	# versions differ in how they show what has no format
	like(slurp_file("$dir/book-Numbers & more.csv"),
		qr/\n42,-7,123456789012345,9007199254740993,0\.1,(?:0\.0000001|1E-0?7),245\.8,(?:0\.00000012345678901235|1\.23456789012346E-07),100000000000000000000,NaN,Infinity,TRUE,FALSE,\n/,
		'numbers in LibreOffice');
	like(slurp_file("$dir/book-Times.csv"),
		qr/\n2024-02-29,1900-02-28,infinity,2024-02-29 12:34:5[67],2025-01-01 01:45:00,2024-07-01 05:45:00,infinity,06:30:00(?: AM)?,26:30:00,1 mon,-01:00:00\n/,
		'times in LibreOffice');
	like(slurp_file("$dir/book-Texts.csv"), qr/\n=1\+1,\+1,-1,\@SUM\(A1\),"<a href=""x"">&amp;<\/a>","two\nlines"/, 'texts in LibreOffice');
}

# ---- a build without the library ------------------------------------------

SKIP:
{
	my $dir = PostgreSQL::Test::Utils::tempdir;

	skip 'there is no compiler', 2 if system('command -v gcc >/dev/null') != 0;
	append_to_file("$dir/magic.c", qq{#include "postgres.h"\n#include "fmgr.h"\nPG_MODULE_MAGIC;\n});
	chomp(my $include = `pg_config --includedir-server`);
	command_ok([ 'gcc', '-shared', '-fPIC', '-Wall', '-Wextra', '-Wno-unused-parameter', '-Werror', "-I$include", "-I$here/../src",
			'-o', "$dir/without.so", "$here/../src/export/xlsx.c", "$dir/magic.c" ], 'it can be built without libxlsxwriter');
	$node->safe_psql('postgres', "CREATE FUNCTION without(text[], text) RETURNS bytea LANGUAGE C AS '$dir/without', 'to_xlsx'");
	like(refusal(q{SELECT without(ARRAY[['a', 'SELECT 1']], 'UTC')}), qr/0A000.*built without libxlsxwriter/s, 'and then says so');
}

done_testing();
