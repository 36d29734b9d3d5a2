# Alerts leave the database: clients/sender.py delivers an e-mail and a webhook to
# servers on the loopback interface. One that is killed between delivery and
# acknowledgement delivers again, with the same identity, so a receiver that keeps
# count has each once.

use strict;
use warnings;

use FindBin;
use IO::Socket::INET;
use IPC::Run;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $sender = ($ENV{USAGE_METER_CLIENTS} // "$FindBin::RealBin/../../clients") . '/sender.py';

plan skip_all => 'python3 has no psycopg'
  if system('python3 -c "import psycopg" >/dev/null 2>&1') != 0;

my $node = PostgreSQL::Test::Cluster->new('sender');
$node->init;
$node->append_conf('postgresql.conf', "timezone = 'UTC'\n");
$node->start;

# ---- receivers ------------------------------------------------------------

# Both write a line per delivery: the channel, its identity, and what came.
my $log = $node->basedir . '/received';
my $hang = $node->basedir . '/hang';
append_to_file($log, '');

# A child that serves one connection after the other.
sub serve
{
	my ($conversation) = @_;
	my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 5, ReuseAddr => 1)
	  or BAIL_OUT("cannot listen: $!");
	my $pid = fork() // BAIL_OUT("cannot fork: $!");

	if ($pid == 0)
	{
		# a sender that was killed hears no answer
		local $SIG{PIPE} = 'IGNORE';
		while (my $peer = $server->accept)
		{
			$conversation->($peer);
			close $peer;
		}
		POSIX::_exit(0);
	}
	return ($server->sockport, $pid);
}

sub receive
{
	my ($channel, $identity, $what) = @_;
	$what =~ s/\s+/ /g;
	append_to_file($log, "$channel $identity $what\n");
}

# While the file exists a receiver has received, but does not say so.
sub hang_if_told
{
	usleep(20_000) while -e $hang;
}

my ($smtp_port, $smtp_pid) = serve(sub {
	my ($peer) = @_;
	print $peer "220 test\r\n";
	while (my $line = <$peer>)
	{
		if ($line =~ /^DATA/i)
		{
			my $mail = '';
			print $peer "354 go on\r\n";
			while (my $text = <$peer>)
			{
				last if $text eq ".\r\n";
				$mail .= $text;
			}
			my ($identity) = $mail =~ /^Message-ID: <(\S+)@/mi;
			receive('email', $identity, $mail);
			hang_if_told();
			print $peer "250 taken\r\n";
		}
		elsif ($line =~ /^QUIT/i) { print $peer "221 bye\r\n"; last; }
		else { print $peer "250 ok\r\n"; }
	}
});

my ($http_port, $http_pid) = serve(sub {
	my ($peer) = @_;
	my ($request, $length, $identity, $body) = (scalar <$peer>, 0, '', '');
	while (my $line = <$peer>)
	{
		last if $line eq "\r\n";
		$length = $1 if $line =~ /^Content-Length: (\d+)/i;
		$identity = $1 if $line =~ /^Idempotency-Key: (\S+)/i;
	}
	read $peer, $body, $length;
	if ($request =~ m{ /broken })
	{
		print $peer "HTTP/1.1 500 broken\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
		return;
	}
	receive('webhook', $identity, $body);
	hang_if_told();
	print $peer "HTTP/1.1 204 taken\r\nConnection: close\r\n\r\n";
});

END
{
	my $status = $?;
	kill 'KILL', grep { defined } $smtp_pid, $http_pid;
	$? = $status;
}

sub received
{
	my ($pattern) = @_;
	return grep { /$pattern/ } split /\n/, slurp_file($log);
}

sub wait_for
{
	my ($what, $condition) = @_;
	foreach (1 .. 500)
	{
		return 1 if $condition->();
		usleep(20_000);
	}
	BAIL_OUT("waited too long for $what");
}

sub start_sender
{
	my (@options) = @_;
	my %client = (err => '');

	local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'postgres');
	$client{run} = IPC::Run::start([ 'python3', $sender, '--smtp', "127.0.0.1:$smtp_port", '--from', 'meter@example.com', @options ],
		'<', \undef, '>', \$client{out}, '2>', \$client{err}, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return \%client;
}

sub run_once
{
	my $client = start_sender('--once');
	$client->{run}->finish;
	return $client->{err};
}

# ---- alerts ---------------------------------------------------------------

$node->safe_psql('postgres', qq{
CREATE EXTENSION usage_meter;
SELECT create_usage_ledger();
SELECT usage.set_budget('Grüße & <more>', '{"project_id": "p"}', 100.00,
	thresholds => '{"80": ["email:ops\@example.com", "webhook:http://127.0.0.1:$http_port/hook"], "100": ["email:cfo\@example.com"]}');
INSERT INTO usage.execution_history (customer_id, project_id, cost) VALUES ('c', 'p', 80.00);
SELECT usage.check_budgets();
});
is($node->safe_psql('postgres', 'SELECT count(*) FROM usage.notifications WHERE sent_at IS NULL'), 2, 'two notifications wait');

is(run_once(), '', 'the sender has nothing to complain of');
is($node->safe_psql('postgres', 'SELECT count(*) FROM usage.notifications WHERE sent_at IS NULL'), 0, 'both are acknowledged');
my ($mail) = received('^email ');
my ($hook) = received('^webhook ');
is(scalar(received('.')), 2, 'each arrived once');
like($mail, qr/To: ops\@example\.com /, 'the e-mail has its recipient');
like($mail, qr/Subject: Budget =\?utf-8\?q\?Gr=C3=BC=C3=9Fe\?= & <more>: 80\.0 % used /, 'its subject');
like($mail, qr{Content-Type: text/plain.*Spent: +80\.00 USD.*Content-Type: text/html.*<b>80\.00</b> USD}, 'its text and its HTML');
like($mail, qr/&lt;more&gt;/, 'with values escaped');
like($hook, qr/"budget": "Gr\\u00fc\\u00dfe & <more>"/, 'the webhook has its budget');
like($hook, qr/"threshold": 80,/, 'and its threshold');
is(run_once(), '', 'the sender runs again');
is(scalar(received('.')), 2, 'and sends nothing twice');

# A sender that waits is woken by the next alert.
my $waiting = start_sender();
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query = 'LISTEN "usage_notifications"' OR query LIKE '%claim_notifications%' AND pid <> pg_backend_pid()})
  or BAIL_OUT('the sender does not listen');
$node->safe_psql('postgres', q{
INSERT INTO usage.execution_history (customer_id, project_id, cost) VALUES ('c', 'p', 20.00);
SELECT usage.check_budgets();
});
wait_for('the alert of 100 %', sub { received('cfo@example\.com') == 1 });
$node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM usage.notifications WHERE sent_at IS NULL') or BAIL_OUT('not acknowledged');
pass('an alert wakes the sender');
$waiting->{run}->kill_kill;

# ---- a sender is killed ---------------------------------------------------

$node->safe_psql('postgres', qq{
SELECT usage.set_budget('second', '{"project_id": "q"}', 1, thresholds => '{"100": ["email:a\@example.com", "webhook:http://127.0.0.1:$http_port/hook"]}');
INSERT INTO usage.execution_history (customer_id, project_id, cost) VALUES ('c', 'q', 1);
SELECT usage.check_budgets();
});
foreach my $round (1, 2)
{
	my $before = received('.');
	append_to_file($hang, '');
	my $client = start_sender('--once');
	wait_for('a delivery', sub { received('.') > $before });
	$client->{run}->signal('KILL');
	eval { $client->{run}->finish };
	unlink $hang;
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM usage.notifications WHERE sent_at IS NULL'), 2,
	'two senders were killed after delivery, before acknowledgement');
is(run_once(), '', 'the next sender runs');
is($node->safe_psql('postgres', 'SELECT count(*) FROM usage.notifications WHERE sent_at IS NULL'), 2, 'and leaves alone what is leased');
$node->safe_psql('postgres', 'UPDATE usage.notifications SET due_at = now() WHERE sent_at IS NULL');
is(run_once(), '', 'after the lease');
is($node->safe_psql('postgres', 'SELECT count(*) FROM usage.notifications WHERE sent_at IS NULL'), 0, 'all is acknowledged');

my @last = received('a@example\.com|"budget": "second"');
my %identities = map { (split / /)[0, 1] } @last;
is(scalar(@last), 4, 'both arrived twice');
is(scalar(keys %identities), 2, 'on two channels');
is(scalar(grep { (split / /)[1] eq $identities{(split / /)[0]} } @last), 4, 'each with one identity: a receiver has it once');
is($node->safe_psql('postgres', 'SELECT string_agg(notification_id::text, chr(10) ORDER BY channel) FROM usage.notifications WHERE attempts = 2'),
	"$identities{email}\n$identities{webhook}", 'that of the notification');

# ---- failures -------------------------------------------------------------

$node->safe_psql('postgres', qq{
SELECT usage.set_budget('third', '{"project_id": "r"}', 1, thresholds => '{"100": ["webhook:http://127.0.0.1:$http_port/broken", "webhook:file:///etc/passwd"]}');
INSERT INTO usage.execution_history (customer_id, project_id, cost) VALUES ('c', 'r', 1);
SELECT usage.check_budgets();
});
like(run_once(), qr/500: broken|500 broken|HTTP Error 500/, 'the sender tells of a failure');
is($node->safe_psql('postgres', q{
	SELECT count(*), min(attempts), bool_and(due_at BETWEEN now() + '50 seconds' AND now() + '60 seconds'), count(given_up_at), bool_and(last_error <> '')
	FROM usage.notifications WHERE sent_at IS NULL}), '2|1|t|0|t', 'a failure is noted and tried again after a minute');
$node->safe_psql('postgres', q{UPDATE usage.notifications SET due_at = now(), attempts = 9 WHERE sent_at IS NULL});
run_once();
is($node->safe_psql('postgres', q{SELECT count(*) FROM usage.notifications WHERE given_up_at IS NOT NULL AND attempts = 10}), 2, 'after ten attempts it is a dead letter');
$node->safe_psql('postgres', q{UPDATE usage.notifications SET due_at = now() WHERE sent_at IS NULL});
is(run_once(), '', 'which is not tried again');
is($node->safe_psql('postgres', q{SELECT count(*) FROM usage.notifications AS n, usage.retry_notification(n.notification_id) AS again WHERE given_up_at IS NOT NULL AND again}), 2,
	'unless somebody says so');
like(run_once(), qr/HTTP Error 500/, 'then it is');

# ---- NOTIFY ---------------------------------------------------------------

# It needs no sender. What says the same is heard once per transaction, whether it
# is an alert or the call that wakes senders.
my ($heard, $errors) = ('', '');
my $listener = IPC::Run::start(
	[ 'psql', '-X', '-h', $node->host, '-p', $node->port, '-d', 'postgres', '-c', 'LISTEN alerts', '-c', 'LISTEN usage_notifications',
		'-c', q{DO 'BEGIN WHILE NOT EXISTS (SELECT FROM usage.budgets WHERE name = ''last'') LOOP PERFORM pg_sleep(0.02); END LOOP; END'} ],
	'<', \undef, '>', \$heard, '2>', \$errors, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'DO %last%'}) or BAIL_OUT('the listener does not listen');
$node->safe_psql('postgres', q{
SELECT usage.set_budget('fourth', '{"project_id": "s"}', 1, thresholds => '{"80": ["notify:alerts"], "100": ["notify:alerts"]}');
SELECT usage.set_budget('fifth', '{"project_id": "t"}', 1, thresholds => '{"100": ["email:ops@example.com"]}');
BEGIN;
INSERT INTO usage.execution_history (customer_id, project_id, cost) VALUES ('c', 's', 2);
SELECT usage.check_budgets();
INSERT INTO usage.execution_history (customer_id, project_id, cost) VALUES ('c', 't', 1);
SELECT usage.check_budgets();
COMMIT;
});
$node->safe_psql('postgres', q{SELECT usage.set_budget('last')});
$listener->finish;
is($errors, '', 'the listener has nothing to complain of');
is(join("\n", sort map { s/ received from .*//r } grep { /^Asynchronous/ } split /\n/, $heard),
	qq{Asynchronous notification "alerts" with payload "budget fourth: 200.0 % used, 2.00 of 1.00 USD"\nAsynchronous notification "usage_notifications"},
	'NOTIFY arrives, each once');
is($node->safe_psql('postgres', q{SELECT count(*), count(sent_at) FROM usage.notifications WHERE channel = 'notify'}), '2|2', 'of two alerts that say the same');

$node->stop;
done_testing();
