-- The report as a page: one HTML document that needs nothing else, no script, no font, no network. Shapes are inline SVG that
-- stretches with the page; their labels are HTML beside it, so that text has its size on a phone, on a desk and on paper.

-- ---- values as text of the page ----

CREATE FUNCTION html_text(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT replace(replace(replace(replace(regexp_replace(value, '[\x01-\x08\x0B\x0C\x0E-\x1F\x7F]', '�', 'g'),
                                           '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;');
END;

COMMENT ON FUNCTION html_text(text) IS
'A value as text of an HTML document, or of an attribute in double quotes: markup and control characters in it mean nothing';

CREATE FUNCTION html_name(value text, lacking text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN value <> '' THEN '<bdi>' || html_text(value) || '</bdi>' ELSE '<i>' || lacking || '</i>' END;
END;

COMMENT ON FUNCTION html_name(text, text) IS
'A name, isolated from the writing direction around it, or what is lacking where it is empty';

CREATE FUNCTION html_count(value numeric) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT to_char(value, 'FM999,999,999,999,999,990');
END;

COMMENT ON FUNCTION html_count(numeric) IS 'A whole number in groups of three digits';

CREATE FUNCTION html_significant(value numeric, digits integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT trim_scale(round(value, digits - 1 - floor(log(greatest(abs(value), 1e-30)))::integer))::text;
END;

COMMENT ON FUNCTION html_significant(numeric, integer) IS 'A number rounded to so many significant digits';

CREATE FUNCTION html_compact(value numeric) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN abs(value) >= 1e12 THEN html_significant(value / 1e12, 3) || 'T'
                WHEN abs(value) >= 1e9  THEN html_significant(value / 1e9, 3) || 'B'
                WHEN abs(value) >= 1e6  THEN html_significant(value / 1e6, 3) || 'M'
                WHEN abs(value) >= 1e3  THEN html_significant(value / 1e3, 3) || 'k'
                ELSE html_significant(value, 3) END;
END;

COMMENT ON FUNCTION html_compact(numeric) IS 'A number in three significant digits, with k, M, B or T for thousands, millions and so on';

CREATE FUNCTION html_money(value numeric) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN value <> 0 AND abs(value) < 0.01 THEN html_significant(value, 2)
                ELSE to_char(value, 'FM999,999,999,999,990.00') END;
END;

COMMENT ON FUNCTION html_money(numeric) IS 'An amount to the cent, or in two significant digits if it is smaller';

CREATE FUNCTION html_duration(milliseconds numeric) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN milliseconds < 999.5   THEN html_significant(milliseconds, 3) || '&#160;ms'
                WHEN milliseconds < 59950   THEN html_significant(milliseconds / 1000, 3) || '&#160;s'
                WHEN milliseconds < 3597000 THEN html_significant(milliseconds / 60000, 3) || '&#160;min'
                ELSE html_significant(milliseconds / 3600000, 3) || '&#160;h' END;
END;

COMMENT ON FUNCTION html_duration(numeric) IS 'A duration in three significant digits, with its unit; NULL if it is not known';

CREATE FUNCTION html_percent(share numeric) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT trim_scale(round(100 * share, 3)) || ' %';
END;

COMMENT ON FUNCTION html_percent(numeric) IS 'A share of 1 in percent, to a thousandth of it';

CREATE FUNCTION html_amount(value numeric, measure text, currency text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE measure WHEN 'cost' THEN html_money(value) || ' ' || html_text(currency) ELSE html_compact(value) END;
END;

COMMENT ON FUNCTION html_amount(numeric, text, text) IS 'How much of the measure of a budget: money or a number';

CREATE FUNCTION html_bar(percent numeric, level text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT format('<svg viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true"><rect width="%s" height="1" class="%s"/></svg>',
                  round(least(greatest(percent, 0), 100), 2), level);
END;

COMMENT ON FUNCTION html_bar(numeric, text) IS 'A bar from 0 to 100 percent of the width it is given, in the colour of the level: ok, warning or exceeded';

-- ---- charts ----

CREATE FUNCTION chart_slots(columns integer) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT greatest(columns, 14);
END;

COMMENT ON FUNCTION chart_slots(integer) IS
'Width of a chart, in columns. Few columns stay narrow and stand in the middle.';

CREATE FUNCTION chart_x(number bigint, columns integer) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT (chart_slots(columns) - columns) / 2.0 + number - 0.5;
END;

COMMENT ON FUNCTION chart_x(bigint, integer) IS 'Middle of a column of a chart, counted from 1';

CREATE FUNCTION chart(caption text, tick_texts text[], tick_heights numeric[], labels text[], shapes text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT format('<figure><figcaption>%s</figcaption><div class="plot">', caption)
        || format('<svg viewBox="0 0 %s 100" preserveAspectRatio="none" role="img" aria-label="%s">',
                  width.slots, regexp_replace(caption, '<[^>]*>', '', 'g'))
        || (SELECT string_agg(format('<path class="grid" d="M0 %sH%s"/>', round(100 - height, 2), width.slots), '')
            FROM unnest(tick_heights) AS height)
        || shapes || '</svg><div class="y">'
        || (SELECT string_agg(format('<span style="bottom:%s%%">%s</span>', round(tick.height, 2), tick.text), '')
            FROM unnest(tick_texts, tick_heights) AS tick (text, height))
        || '</div><div class="x">'
        || (SELECT string_agg(format('<span style="left:%s%%">%s</span>',
                                     round(100 * chart_x(label.number, cardinality(labels)) / width.slots, 2), label.text), '')
            FROM unnest(labels) WITH ORDINALITY AS label (text, number)
            WHERE (label.number - 1) % ceil(cardinality(labels) / 5.0)::integer = 0)
        || '</div></div></figure>'
    FROM (SELECT chart_slots(cardinality(labels)) AS slots) AS width;
END;

COMMENT ON FUNCTION chart(text, text[], numeric[], text[], text) IS
'A figure: shapes in columns of width 1 and from 0 (above) to 100 (below), lines at the heights of the ticks (in percent), and as many of the labels of the columns as a phone has room for';

CREATE FUNCTION column_chart(caption text, labels text[], totals numeric[], parts numeric[], texts text[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH scale AS (
        SELECT tick.step, ceil(tick.most / tick.step) AS ticks
        FROM (SELECT most, (SELECT min(power(10, floor(log(most / 4))) * round)
                            FROM unnest(ARRAY[1, 2, 2.5, 3, 4, 5, 10]) AS round
                            WHERE power(10, floor(log(most / 4))) * round >= most / 4) AS step
              FROM (SELECT coalesce(nullif(max(total), 0), 1) AS most FROM unnest(totals) AS total) AS of_all) AS tick
    )
    SELECT chart(caption,
                 (SELECT array_agg(html_compact(tick * scale.step) ORDER BY tick) FROM generate_series(0, scale.ticks) AS tick),
                 (SELECT array_agg(100 * tick / scale.ticks ORDER BY tick) FROM generate_series(0, scale.ticks) AS tick),
                 labels,
                 (SELECT string_agg(
                             format('<g><title>%s</title>', bar.text)
                             || format('<rect x="%s" y="0" width="1" height="100" class="hit"/>', bar.x - 0.5)
                             || format('<rect x="%s" y="%s" width="0.7" height="%s" class="whole"/>',
                                       bar.x - 0.35, round(100 - bar.total, 2), round(bar.total, 2))
                             || CASE WHEN bar.part > 0
                                     THEN format('<rect x="%s" y="%s" width="0.7" height="%s" class="part"/>',
                                                 bar.x - 0.35, round(100 - bar.total, 2), round(bar.part, 2))
                                     ELSE '' END
                             || '</g>', '' ORDER BY bar.x)
                  FROM (SELECT chart_x(number, cardinality(totals)) AS x, text,
                               100 * total / (scale.step * scale.ticks) AS total,
                               100 * part / (scale.step * scale.ticks) AS part
                        FROM unnest(totals, parts, texts) WITH ORDINALITY AS value (total, part, text, number)) AS bar))
    FROM scale;
END;

COMMENT ON FUNCTION column_chart(text, text[], numeric[], numeric[], text[]) IS
'A figure with a column for each of the totals, from zero; a part of it may be marked at its top. The texts are shown to who points at it.';

CREATE FUNCTION duration_chart(caption text, labels text[], p50 numeric[], p95 numeric[], p99 numeric[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH point AS (
        SELECT value.line, value.number, CASE WHEN value.ms IS NOT NULL THEN least(greatest(value.ms, 0.001), 3599999999) END AS ms,
               lag(value.ms) OVER timeline IS NULL AS is_first,
               coalesce(lag(value.ms) OVER timeline, lead(value.ms) OVER timeline) IS NULL AS is_alone
        FROM (SELECT 'p50' AS line, ms, number FROM unnest(p50) WITH ORDINALITY AS v (ms, number)
              UNION ALL SELECT 'p95', ms, number FROM unnest(p95) WITH ORDINALITY AS v (ms, number)
              UNION ALL SELECT 'p99', ms, number FROM unnest(p99) WITH ORDINALITY AS v (ms, number)) AS value
        WINDOW timeline AS (PARTITION BY value.line ORDER BY value.number)
    ), mark AS (
        SELECT ms
        FROM unnest(ARRAY[0.001, 0.01, 0.1, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 60000, 120000, 300000,
                          600000, 1200000, 3600000, 7200000, 18000000, 36000000, 86400000, 360000000, 3600000000]) AS ms
    ), scale AS (
        SELECT low.ms AS low, high.ms AS high
        FROM (SELECT max(mark.ms) AS ms FROM mark WHERE mark.ms <= (SELECT min(point.ms) FROM point)) AS low,
             (SELECT min(mark.ms) AS ms FROM mark WHERE mark.ms > (SELECT max(point.ms) FROM point)) AS high
    ), tick AS (
        SELECT shown.ms, 100 * ln(shown.ms / scale.low) / ln(scale.high / scale.low) AS height
        FROM scale, LATERAL (
            SELECT mark.ms, row_number() OVER (ORDER BY mark.ms) AS number, count(*) OVER () AS count
            FROM mark
            WHERE mark.ms BETWEEN scale.low AND scale.high) AS shown
        WHERE (shown.count - shown.number) % ceil(shown.count / 7.0)::integer = 0
    )
    SELECT chart(caption || ' <span class="key p50">p50</span> <span class="key p95">p95</span> <span class="key p99">p99</span>',
                 (SELECT array_agg(html_duration(tick.ms) ORDER BY tick.ms) FROM tick),
                 (SELECT array_agg(tick.height ORDER BY tick.ms) FROM tick),
                 labels,
                 (SELECT string_agg(format('<path class="line %s%s" d="%s"/>', path.line, CASE WHEN path.is_alone THEN ' dot' ELSE '' END, path.d),
                                    '' ORDER BY path.line DESC)
                  FROM (SELECT point.line, point.is_alone,
                               string_agg(format('%s%s %sh0', CASE WHEN point.is_first THEN 'M' ELSE 'L' END,
                                                 chart_x(point.number, cardinality(labels)),
                                                 round(100 - 100 * ln(point.ms / scale.low) / ln(scale.high / scale.low), 2)),
                                          '' ORDER BY point.number) AS d
                        FROM point
                        WHERE point.ms IS NOT NULL
                        GROUP BY point.line, point.is_alone) AS path))
    FROM scale
    WHERE scale.low IS NOT NULL;
END;

COMMENT ON FUNCTION duration_chart(text, text[], numeric[], numeric[], numeric[]) IS
'A figure with the lines of three percentiles, in milliseconds, on a logarithmic scale; NULL if there are none. A line is broken where there is nothing.';

-- ---- sections ----

CREATE FUNCTION report_steps(
    period text, since timestamptz, until timestamptz, filter jsonb, time_zone text,
    OUT step text, OUT starts timestamp, OUT executions numeric, OUT unsuccessful numeric, OUT cost numeric,
    OUT p50_duration_ms numeric, OUT p95_duration_ms numeric, OUT p99_duration_ms numeric)
RETURNS SETOF record
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH range AS (
        -- local days; an open end is today, an open start the first day that was used
        SELECT coalesce((nullif(coalesce(report_steps.since, period_start(period, time_zone)), '-infinity')
                         AT TIME ZONE time_zone)::date,
                        min(used.day)) AS first,
               coalesce(((nullif(report_steps.until, 'infinity') - interval '1 microsecond') AT TIME ZONE time_zone)::date,
                        greatest((now() AT TIME ZONE time_zone)::date, max(used.day))) AS last
        FROM (SELECT (r.starts AT TIME ZONE time_zone)::date AS day
              FROM usage_report('{}', 'day', period, since, until, filter, time_zone) AS r) AS used
    ), chosen AS (
        SELECT first, last, CASE WHEN last - first < 100 THEN 'day' WHEN last - first < 700 THEN 'week' ELSE 'month' END AS step
        FROM range
    )
    SELECT chosen.step, series.starts, coalesce(used.executions, 0),
           coalesce(used.failed + used.timed_out + used.cancelled, 0), coalesce(used.cost, 0),
           used.p50_duration_ms::numeric, used.p95_duration_ms::numeric, used.p99_duration_ms::numeric
    FROM chosen
    CROSS JOIN generate_series(date_trunc(chosen.step, chosen.first::timestamp), chosen.last::timestamp,
                               ('1 ' || chosen.step)::interval) AS series (starts)
    LEFT JOIN usage_report('{}', chosen.step, period, since, until, filter, time_zone) AS used
           ON (used.starts AT TIME ZONE time_zone)::date = series.starts::date
    ORDER BY series.starts;
END;

COMMENT ON FUNCTION report_steps(text, timestamptz, timestamptz, jsonb, text) IS
'The usage of a period in at most a hundred days, else a hundred weeks, else months, those without usage included. starts is local time.';

CREATE FUNCTION html_charts(period text, since timestamptz, until timestamptz, filter jsonb, time_zone text, currency text)
RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT CASE WHEN bool_or(point.cost <> 0) THEN
               column_chart(format('Cost by %s, %s', max(point.step), html_text(currency)), array_agg(point.label), array_agg(point.cost), NULL,
                            array_agg(format('%s: %s %s', point.name, html_money(point.cost), html_text(currency)))) ELSE '' END
        || column_chart(format('Executions by %s <span class="key part">not successful</span>', max(point.step)),
                        array_agg(point.label), array_agg(point.executions), array_agg(point.unsuccessful),
                        array_agg(format('%s: %s executions, %s not successful', point.name, html_count(point.executions),
                                         html_count(point.unsuccessful))))
        || coalesce(duration_chart(format('Duration by %s, logarithmic', max(point.step)), array_agg(point.label),
                                   array_agg(point.p50_duration_ms), array_agg(point.p95_duration_ms), array_agg(point.p99_duration_ms)), '')
    FROM (SELECT s.*,
                 to_char(s.starts, CASE s.step WHEN 'day' THEN 'FMDD Mon' ELSE 'Mon YY' END) AS label,
                 to_char(s.starts, CASE s.step WHEN 'month' THEN 'Mon YYYY' WHEN 'week' THEN '"week of" FMDD Mon YYYY'
                                               ELSE 'Dy FMDD Mon YYYY' END) AS name
          FROM report_steps(period, since, until, filter, time_zone) AS s) AS point
    HAVING bool_or(point.executions <> 0);
END;

COMMENT ON FUNCTION html_charts(text, timestamptz, timestamptz, jsonb, text, text) IS
'Charts of cost, executions and durations over a period; NULL if nothing happened';

CREATE FUNCTION html_breakdown(
    caption text, dimension text, lacking text, period text, since timestamptz, until timestamptz, filter jsonb, time_zone text, currency text)
RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT format('<section><h2>%s</h2><table><thead><tr><th>Name</th><th class="wide"></th><th>Executions</th>'
                  '<th>Share</th><th>Cost, %s</th><th class="wide">Success</th><th class="wide">p50</th><th class="wide">p95</th></tr></thead><tbody>',
                  caption, html_text(currency))
        || string_agg(format('<tr><th>%s</th><td class="wide bar">%s</td>'
                             '<td>%s</td><td>%s %%</td><td>%s</td><td class="wide">%s</td><td class="wide">%s</td><td class="wide">%s</td></tr>',
                             CASE WHEN line.value IS NULL THEN '<i>others</i>' ELSE html_name(line.value, lacking) END,
                             html_bar(100 * line.share / line.largest_share, 'ok'), html_count(line.executions), round(line.share, 1),
                             CASE WHEN line.unpriced = line.executions THEN '<i>no price</i>' ELSE html_money(line.cost) END,
                             coalesce(round(line.success_rate, 2) || ' %', '–'),
                             coalesce(html_duration(line.p50_duration_ms::numeric), '–'),
                             coalesce(html_duration(line.p95_duration_ms::numeric), '–')), '' ORDER BY line.ordinality)
        || '</tbody></table></section>'
    FROM (SELECT b.*, max(b.share) OVER () AS largest_share
          FROM breakdown(dimension, period, since, until, filter, time_zone, 15) WITH ORDINALITY AS b
          WHERE b.executions > 0) AS line;
END;

COMMENT ON FUNCTION html_breakdown(text, text, text, text, timestamptz, timestamptz, jsonb, text, text) IS
'A table of a period by a dimension, from breakdown(): the fifteen values that were used most, and the others in one line. NULL if nothing was used.';

CREATE FUNCTION html_errors(period text, since timestamptz, until timestamptz, filter jsonb, time_zone text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT '<section><h2>Errors</h2><table><thead><tr><th>Model</th><th>Failed</th><th>Timed out</th><th>Error rate</th></tr></thead><tbody>'
        || string_agg(format('<tr><th>%s</th><td>%s</td><td>%s</td><td>%s %%</td></tr>',
                             CASE WHEN line.value IS NULL THEN '<i>others</i>' ELSE html_name(line.value, 'no model') END,
                             html_count(line.failed), html_count(line.timed_out), html_significant(line.error_rate, 3)),
                      '' ORDER BY line.ordinality)
        || '</tbody></table></section>'
    FROM breakdown('model', period, since, until, filter, time_zone, 15, 'errors') WITH ORDINALITY AS line
    WHERE line.failed + line.timed_out > 0;
END;

COMMENT ON FUNCTION html_errors(text, timestamptz, timestamptz, jsonb, text) IS
'A table of the fifteen models with the most executions of a period that failed or timed out, from breakdown(), and the others in one line; NULL if there are none';

-- Budgets and objectives have periods of their own. Where one needs executions that are not kept, the page says so, and has the rest.
CREATE FUNCTION html_budgets(filter jsonb, at timestamptz, currency text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $html_budgets$
BEGIN
    RETURN (
        SELECT '<section><h2>Budgets</h2><table><thead><tr><th>Name</th><th class="wide"></th><th>Spent</th><th>Percent</th>'
               '<th class="wide">Left</th><th class="wide">Projected</th></tr></thead><tbody>'
            || string_agg(format('<tr><th>%s<small>%s</small></th><td class="wide bar">%s</td><td>%s<small>of %s</small></td>'
                                 '<td>%s<small>%s</small></td><td class="wide">%s</td><td class="wide">%s</td></tr>',
                                 html_name(line.budget, ''), concat_ws(', ', line.measure, line.period, line.names),
                                 html_bar(coalesce(line.percent, 0), line.level),
                                 html_amount(line.spent, line.measure, currency),
                                 coalesce(html_amount(line.amount, line.measure, currency), 'no limit'),
                                 coalesce(round(line.percent, 1) || ' %', '–'), line.level,
                                 coalesce(html_amount(line.remaining, line.measure, currency), '–'),
                                 coalesce(html_amount(line.projected, line.measure, currency), '–')), '' ORDER BY line.rank)
                   FILTER (WHERE line.rank <= 15)
            || '</tbody></table>'
            || CASE WHEN count(*) > 15 THEN format('<p>and %s others</p>', count(*) - 15) ELSE '' END
            || '</section>'
        FROM (SELECT s.*,
                     (SELECT string_agg(html_name(array_to_string(filter_values(value), ', '), 'no ' || key), ', ' ORDER BY key)
                      FROM jsonb_each(s.scope || s.subject) AS member (key, value)) AS names,
                     row_number() OVER (ORDER BY s.level = 'exceeded' DESC, s.percent DESC NULLS LAST, s.budget_id, s.subject) AS rank
              FROM budget_status(filter, at => html_budgets.at) AS s) AS line
        HAVING count(*) > 0);
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RETURN format('<section><h2>Budgets</h2><p>%s</p></section>', html_text(SQLERRM));
END
$html_budgets$;

COMMENT ON FUNCTION html_budgets(jsonb, timestamptz, text) IS
'A table of the budgets that the filter admits, from budget_status() at an instant: the fifteen that are most used up, and how many others there are; NULL if there are none';

CREATE FUNCTION html_objectives(filter jsonb, at timestamptz) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $html_objectives$
BEGIN
    RETURN (
        SELECT '<section><h2>Service levels</h2><table><thead><tr><th>Name</th><th class="wide"></th><th>Compliance</th><th>Failures</th>'
               '<th class="wide">Executions</th><th class="wide">Burn rate</th><th class="wide">Credit</th></tr></thead><tbody>'
            || string_agg(format('<tr><th>%s<small>%s</small></th><td class="wide bar">%s</td><td>%s<small>%s, target %s</small></td>'
                                 '<td>%s<small>of %s allowed</small></td><td class="wide">%s</td><td class="wide">%s</td><td class="wide">%s</td></tr>',
                                 html_name(s.objective, ''),
                                 concat_ws(', ', s.kind || coalesce(' within ' || html_duration(1000 * extract(epoch FROM s.threshold)), ''),
                                           'last ' || o.period, o.names),
                                 html_bar(100 * s.budget_consumed::numeric, CASE WHEN s.is_met THEN 'ok' ELSE 'exceeded' END),
                                 coalesce(html_percent(s.compliance::numeric), '–'), CASE WHEN s.is_met THEN 'met' ELSE 'missed' END,
                                 html_percent(s.target::numeric),
                                 html_count(s.failures), coalesce(html_significant(s.failures_allowed::numeric, 3), '–'), html_count(s.events),
                                 CASE WHEN s.burn_rate < 'Infinity' THEN html_significant(s.burn_rate::numeric, 3) ELSE '–' END,
                                 html_percent(s.credit_percent / 100)), '' ORDER BY s.is_met, s.objective)
            || '</tbody></table></section>'
        FROM (SELECT name, period,
                     (SELECT string_agg(html_name(array_to_string(filter_values(value), ', '), 'no ' || key), ', ' ORDER BY key)
                      FROM jsonb_each(scope) AS member (key, value)) AS names
              FROM objectives
              WHERE scope @> filter) AS o
        CROSS JOIN LATERAL objective_status(o.name, html_objectives.at) AS s);
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RETURN format('<section><h2>Service levels</h2><p>%s</p></section>', html_text(SQLERRM));
END
$html_objectives$;

COMMENT ON FUNCTION html_objectives(jsonb, timestamptz) IS
'A table of the service level objectives whose scope contains the filter, from objective_status() at an instant, those that are missed first; NULL if there are none';

CREATE FUNCTION html_totals(period text, since timestamptz, until timestamptz, filter jsonb, time_zone text, currency text)
RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT '<ul class="totals">'
        || string_agg(format('<li>%s<strong>%s</strong><small>%s</small></li>', tile.label, tile.value, tile.note), '' ORDER BY tile.number)
        || '</ul>'
    FROM summary(period, since, until, filter, time_zone) AS s
    CROSS JOIN LATERAL (VALUES
        (1, 'Cost', html_money(s.cost) || ' <span class="unit">' || html_text(currency) || '</span>',
            CASE WHEN s.unpriced > 0 THEN html_count(s.unpriced) || ' executions have no price and are not in it'
                 WHEN s.executions > 0 THEN 'every execution has a price' ELSE 'nothing to price' END),
        (2, 'Executions', html_count(s.executions),
            coalesce(round(s.success_rate, 2) || ' % successful', 'none finished')
            || CASE WHEN s.open > 0 THEN ', ' || html_count(s.open) || ' open' ELSE '' END),
        (3, 'Tokens', CASE WHEN s.total_tokens < 1e9 THEN html_count(s.total_tokens) ELSE html_compact(s.total_tokens) END,
            format('%s in, %s cached, %s out', html_compact(s.input_tokens),
                   html_compact(s.cache_read_tokens + s.cache_write_tokens), html_compact(s.output_tokens))),
        (4, 'Median duration', coalesce(html_duration(s.p50_duration_ms::numeric), '–'),
            coalesce('mean ' || html_duration(s.avg_duration_ms) || ', p95 ' || html_duration(s.p95_duration_ms::numeric) || ', p99 ' || html_duration(s.p99_duration_ms::numeric),
                     'none measured'))) AS tile (number, label, value, note);
END;

COMMENT ON FUNCTION html_totals(text, timestamptz, timestamptz, jsonb, text, text) IS
'The totals of a period: cost, executions, tokens, duration';

CREATE FUNCTION report_style() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '
:root { color-scheme: light dark; --paper: #fff; --ink: #1b1f26; --soft: #5b6472; --rule: #e4e7ec; --blue: #3461d1; --pale: #a9c1f5; --red: #c8423b; --amber: #b86e00; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14171c; --ink: #e7eaef; --soft: #9aa4b2; --rule: #2b313a; --blue: #7da2f7; --pale: #3d5a9e; --red: #ef7d74; --amber: #e5a84b; }
}
@media print {
  :root { color-scheme: light; --paper: #fff; --ink: #000; --soft: #444; --rule: #ccc; --blue: #3461d1; --pale: #a9c1f5; --red: #c8423b; --amber: #b86e00; }
  figure, tr, .totals { break-inside: avoid; }
  h2 { break-after: avoid; }
  svg, .key::before { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
* { box-sizing: border-box; margin: 0; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { max-width: 64rem; margin: 0 auto; padding: 2rem 1.25rem; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
h1 { font-size: 1.6rem; line-height: 1.2; letter-spacing: -0.01em; }
h2, figcaption { font-size: 1rem; line-height: 1.4; font-weight: 600; }
header p, footer { color: var(--soft); font-size: 0.875rem; overflow-wrap: anywhere; }
header p { margin-top: 0.25rem; }
i { color: var(--soft); font-style: normal; }
.totals { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: 1.25rem 2rem; margin: 2rem 0; padding: 1.25rem 0; border: solid var(--rule); border-width: 1px 0; list-style: none; color: var(--soft); font-size: 0.875rem; }
.totals strong { display: block; color: var(--ink); font-size: 1.75rem; line-height: 1.3; font-weight: 600; letter-spacing: -0.01em; overflow-wrap: anywhere; }
.totals .unit { color: var(--soft); font-size: 1rem; font-weight: 400; }
.totals small { font-size: 0.8125rem; }
figure, section { margin: 0 0 2.5rem; }
figure { padding-bottom: 1.75rem; }
.plot { position: relative; height: 11rem; margin: 1rem 1rem 0 3.75rem; }
.plot svg { position: absolute; inset: 0; width: 100%; height: 100%; overflow: visible; }
.plot span { position: absolute; font-size: 0.75rem; line-height: 1; color: var(--soft); white-space: nowrap; }
.y span { right: calc(100% + 0.6rem); transform: translateY(50%); }
.x span { top: calc(100% + 0.6rem); transform: translateX(-50%); }
.grid { stroke: var(--rule); vector-effect: non-scaling-stroke; }
.hit { fill: transparent; }
g:hover .hit { fill: var(--rule); }
.whole { fill: var(--blue); }
.part { fill: var(--red); }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; vector-effect: non-scaling-stroke; }
.line.dot { stroke-width: 6; }
.line.p50 { stroke: var(--pale); } .line.p95 { stroke: var(--blue); } .line.p99 { stroke: var(--amber); }
.key { margin-left: 0.75rem; font-size: 0.8125rem; font-weight: 400; color: var(--soft); white-space: nowrap; }
.key::before { content: ""; display: inline-block; width: 0.7em; height: 0.7em; margin-right: 0.4em; border-radius: 2px; background: var(--red); }
.key.p50::before { background: var(--pale); } .key.p95::before { background: var(--blue); } .key.p99::before { background: var(--amber); }
table { width: 100%; margin-top: 0.5rem; border-collapse: collapse; font-size: 0.875rem; }
th, td { padding: 0.5rem 0 0.5rem 1rem; border-bottom: 1px solid var(--rule); text-align: right; vertical-align: baseline; font-weight: 400; white-space: nowrap; }
thead th { color: var(--soft); font-size: 0.8125rem; vertical-align: bottom; }
tr > :first-child { padding-left: 0; text-align: left; white-space: normal; overflow-wrap: anywhere; }
tbody th { min-width: 7rem; }
small { display: block; color: var(--soft); font-size: 0.75rem; line-height: 1.3; }
section p { margin-top: 0.5rem; color: var(--soft); font-size: 0.875rem; }
.bar { width: 18%; }
.bar svg { display: block; width: 100%; height: 0.6rem; fill: var(--blue); }
.bar .warning { fill: var(--amber); }
.bar .exceeded { fill: var(--red); }
footer { margin-top: 3rem; }
@media (max-width: 40rem) {
  body { padding: 1.25rem 1rem; }
  .wide { display: none; }
  .totals { grid-template-columns: 1fr 1fr; gap: 1.25rem 1rem; }
  .totals strong { font-size: 1.375rem; }
  th, td { padding-left: 0.6rem; }
  tbody th { min-width: 5rem; }
}';

COMMENT ON FUNCTION report_style() IS 'The style sheet of report_html()';

-- ---- the page ----

CREATE FUNCTION report_html(
    period text DEFAULT '30d', since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    filter jsonb DEFAULT '{}', time_zone text DEFAULT current_setting('TimeZone'))
RETURNS text
LANGUAGE sql STABLE
SET jit = off
BEGIN ATOMIC
    SELECT '<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<title>Usage report</title>
<style>' || report_style() || '
</style>
</head>
<body>
<header><h1>Usage report</h1><p>'
        || CASE WHEN range.since = '-infinity' THEN 'Everything' ELSE 'From ' || to_char(range.since AT TIME ZONE time_zone, 'FMDD Mon YYYY HH24:MI') END
        || ' to ' || to_char(coalesce(nullif(until, 'infinity'), now()) AT TIME ZONE time_zone, 'FMDD Mon YYYY HH24:MI')
        || ', ' || html_text(time_zone)
        || CASE WHEN filter <> '{}' THEN '<br/>Only ' || html_text(filter::text) ELSE '' END
        || '</p></header>
<main>
' || html_totals(period, since, until, filter, time_zone, ledger.currency)
        || coalesce(html_charts(period, since, until, filter, time_zone, ledger.currency), '<p>Nothing was recorded in this period.</p>')
        || coalesce(html_breakdown('Models', 'model', 'no model', period, since, until, filter, time_zone, ledger.currency), '')
        || coalesce(html_breakdown('Projects', 'project_id', 'no project', period, since, until, filter, time_zone, ledger.currency), '')
        || coalesce(html_breakdown('Customers', 'customer_id', '', period, since, until, filter, time_zone, ledger.currency), '')
        || coalesce(html_errors(period, since, until, filter, time_zone), '')
        || coalesce(html_budgets(filter, range.last, ledger.currency), '')
        || coalesce(html_objectives(filter, range.last), '')
        || '
</main>
<footer>All figures are of one snapshot, taken ' || to_char(now() AT TIME ZONE time_zone, 'FMDD Mon YYYY HH24:MI:SS')
        || '. Percentiles are within 0.54 % of a value that occurred. usage_meter ' || html_text(ledger.version) || '</footer>
</body>
</html>'
    FROM ledger
    CROSS JOIN (SELECT coalesce(report_html.since, period_start(period, time_zone)) AS since,
                       least(report_html.until - interval '1 microsecond', now()) AS last) AS range;
END;

COMMENT ON FUNCTION report_html(text, timestamptz, timestamptz, jsonb, text) IS
'The usage of a period as one HTML document with inline pictures and without scripts, for any browser, light or dark, phone or paper: totals, charts, the breakdowns by model, project and customer, errors, and budgets and service levels as they stood at the end of the period: psql -XAt -c "SELECT usage.report_html(''30d'')" > report.html. See usage_report() for the arguments.';
