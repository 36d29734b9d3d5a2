// The five applications by node's pg: named statements are prepared, and a Buffer is a parameter in binary.

const { Client } = require('pg');

async function main() {
	const client = new Client({ host: process.env.PGHOST, port: Number(process.env.PGPORT), user: process.env.PGUSER || require('os').userInfo().username, database: process.env.PGDATABASE });
	let statements = 0;
	const one = async (text, ...values) => (await client.query({ name: `s${++statements}`, text, values })).rows[0];
	const now = new Date();

	await client.connect();

	const logged = await one(
		'INSERT INTO ai_usage_log.ai_usage_log (user_id, section, prompt_tokens, completion_tokens, response_time_ms, success, metadata, created_at)'
		+ ' VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id::text, total_tokens::int', 'ada', 'chat', 10, 5, 812.5, true, { conversation_id: 'c-1' }, now);
	const log = await one('SELECT user_id, section, total_tokens::int FROM ai_usage_log.ai_usage_log WHERE id = $1', logged.id);
	console.log(log.user_id, log.section, log.total_tokens);

	await one('INSERT INTO partner_sla.api_requests (request_id, api_key_id, method, endpoint, http_status, processing_ms, created_at)'
		+ ' VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id::text', 'r-1', 'key-1', 'POST', '/v1/videos', 202, 42, now);
	const request = await one("SELECT partner_id, method, http_status::int, status = 'success' AS good FROM partner_sla.api_requests WHERE request_id = $1", 'r-1');
	console.log(request.partner_id, request.method, request.http_status, request.good);

	const ran = await one(
		'INSERT INTO execution_history.execution_history (customer_id, package_id, package_name, status, input_data, output_data, input_tokens, output_tokens,'
		+ ' duration_ms, customer_tier, model_used, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id::text',
		'acme', 'ticket-resolver', 'Ticket Resolver', 'success', { ticket: 1 }, { solved: true }, 1200, 300, 2500, 'premium', 'claude-sonnet-4-20250514', now);
	const execution = await one('SELECT package_id, total_tokens::int, cost::text, output_data::text FROM execution_history.execution_history WHERE id = $1', ran.id);
	console.log(execution.package_id, execution.total_tokens, execution.cost, execution.output_data);

	const used = await one(
		'INSERT INTO api_usage.api_usage (id, project_id, provider, model, input_tokens, output_tokens, request_timestamp)'
		+ ' VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING total_tokens::int, cost_usd::text', 'call-1', 'p1', 'openai', 'gpt-4', 1500, 500, now);
	const call = await one('SELECT model FROM api_usage.api_usage WHERE id = $1', 'call-1');
	console.log(call.model, used.total_tokens, used.cost_usd);

	await one('INSERT INTO partner_sla.video_generations (request_id, api_key_id, template_id, submitted_at)'
		+ ' VALUES ($1, $2, $3, $4) RETURNING id::text', 'j-1', 'key-1', 'fraction_addition', now);
	const video = await one(
		'UPDATE partner_sla.video_generations SET render_success = $1, completed_at = $2 WHERE request_id = $3'
		+ ' RETURNING render_status, round(manifest_to_mp4_minutes)::int AS minutes', true, new Date(now.getTime() + 660000), 'j-1');
	console.log(video.render_status, video.minutes);

	await one('INSERT INTO partner_sla.api_keys (partner_id, seat_name, key_hash) VALUES ($1, $2, $3) RETURNING id', 'incept', 'Teacher 2', Buffer.alloc(20, 255));
	const key = await one('SELECT seat_name, key_hash FROM partner_sla.api_keys WHERE seat_name = $1', 'Teacher 2');
	console.log(key.seat_name, key.key_hash.toString('hex'));

	await client.end();
}

main().catch((error) => { console.error(error); process.exit(1); });
