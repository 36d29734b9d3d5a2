/*-------------------------------------------------------------------------
 *
 * text.c
 *		Reading the text form of a histogram, which sketch.h describes.
 *
 * Trusts nothing: whatever the text, the histogram stays valid, and the work is
 * bounded by the length of the text.
 *
 *-------------------------------------------------------------------------
 */
#include "histogram.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Position in the text, and why reading stopped. */
typedef struct TextReader
{
	const char *next;
	HistogramTextError *error;
} TextReader;

static HistogramStatus
syntax_error(const TextReader *reader, const char *expected)
{
	reader->error->position = reader->next;
	reader->error->expected = expected;
	return HISTOGRAM_SYNTAX;
}

static void
skip_blanks(TextReader *reader)
{
	reader->next += strspn(reader->next, " \t\n\r");
}

/* Is the next field this one?  Then step over its name. */
static bool
accept_field(TextReader *reader, const char *name)
{
	size_t		length = strlen(name);

	skip_blanks(reader);
	if (strncmp(reader->next, name, length) != 0)
		return false;
	reader->next += length;
	return true;
}

static HistogramStatus
read_integer(TextReader *reader, const char *expected, int64_t *result)
{
	const char *digits = reader->next + (*reader->next == '-');
	char	   *end;

	if (*digits < '0' || *digits > '9')
		return syntax_error(reader, expected);
	errno = 0;
	*result = strtoll(reader->next, &end, 10);
	if (errno != 0)
		return syntax_error(reader, expected);
	reader->next = end;
	return HISTOGRAM_OK;
}

static HistogramStatus
read_value(TextReader *reader, const char *expected, double *result)
{
	char	   *end;

	if (strchr(" \t\n\r\v\f", *reader->next) != NULL)
		return syntax_error(reader, expected);
	*result = strtod(reader->next, &end);
	if (end == reader->next)
		return syntax_error(reader, expected);
	reader->next = end;
	return HISTOGRAM_OK;
}

/* The count of a value that has no bucket, if the field is there. */
static HistogramStatus
read_counter(TextReader *reader, const char *name, Histogram *histogram, double value)
{
	HistogramStatus status;
	int64_t		count;

	if (!accept_field(reader, name))
		return HISTOGRAM_OK;
	status = read_integer(reader, "a count", &count);
	return (status == HISTOGRAM_OK) ? histogram_add(histogram, value, count) : status;
}

/* One item of a run, and the position of the next. */
static HistogramStatus
read_item(TextReader *reader, Histogram *histogram, HistogramSide side, int64_t first,
		  int64_t *position)
{
	HistogramStatus status;
	int64_t		number;

	if (*reader->next == '~')
	{
		reader->next++;
		status = read_integer(reader, "how many buckets are empty", &number);
		if (status != HISTOGRAM_OK)
			return status;
		if (number < 0 || number > HISTOGRAM_BUCKETS_MAX)
			return HISTOGRAM_TOO_MANY_BUCKETS;
		*position += number;
		return HISTOGRAM_OK;
	}

	if (*position >= HISTOGRAM_BUCKETS_MAX)
		return HISTOGRAM_TOO_MANY_BUCKETS;
	if (first > INT_MAX || first < INT_MIN)
		return HISTOGRAM_BAD_BUCKET;
	status = read_integer(reader, "a count", &number);
	if (status == HISTOGRAM_OK)
		status = histogram_add_bucket(histogram, side, first + *position, number);
	(*position)++;
	return status;
}

/*
 * The buckets of one side, if the field is there.
 */
static HistogramStatus
read_run(TextReader *reader, const char *name, Histogram *histogram, HistogramSide side)
{
	HistogramStatus status;
	int64_t		first;
	int64_t		position = 0;

	if (!accept_field(reader, name))
		return HISTOGRAM_OK;
	status = read_integer(reader, "a bucket number", &first);
	if (status == HISTOGRAM_OK && *reader->next != ':')
		return syntax_error(reader, "\":\"");
	while (status == HISTOGRAM_OK)
	{
		reader->next++;
		status = read_item(reader, histogram, side, first, &position);
		if (*reader->next != ',')
			break;
	}
	return status;
}

static HistogramStatus
read_scale(TextReader *reader, Histogram *histogram)
{
	HistogramStatus status;
	int64_t		scale;

	if (!accept_field(reader, "scale="))
		return syntax_error(reader, "\"scale=\"");
	status = read_integer(reader, "a scale", &scale);
	if (status != HISTOGRAM_OK)
		return status;
	if (scale < HISTOGRAM_SCALE_MIN || scale > HISTOGRAM_SCALE_MAX)
		return HISTOGRAM_BAD_SCALE;
	return histogram_set_scale(histogram, (int) scale);
}

static HistogramStatus
read_extremes(TextReader *reader, bool *present, double *min, double *max)
{
	HistogramStatus status;

	*present = accept_field(reader, "min=");
	if (!*present)
		return HISTOGRAM_OK;
	status = read_value(reader, "the smallest value", min);
	if (status != HISTOGRAM_OK)
		return status;
	if (!accept_field(reader, "max="))
		return syntax_error(reader, "\"max=\"");
	return read_value(reader, "the largest value", max);
}

/*
 * Fill an empty histogram that tracks extremes.  On failure it is valid, but of
 * no use.
 */
HistogramStatus
histogram_read_text(Histogram *into, const char *text, HistogramTextError *error)
{
	TextReader	reader = {text, error};
	bool		has_extremes = false;
	double		min = 0.0;
	double		max = 0.0;
	HistogramStatus status = read_scale(&reader, into);

	if (status == HISTOGRAM_OK)
		status = read_extremes(&reader, &has_extremes, &min, &max);
	if (status == HISTOGRAM_OK)
		status = read_counter(&reader, "neginf=", into, -INFINITY);
	if (status == HISTOGRAM_OK)
		status = read_run(&reader, "neg=", into, HISTOGRAM_NEGATIVE_SIDE);
	if (status == HISTOGRAM_OK)
		status = read_counter(&reader, "zero=", into, 0.0);
	if (status == HISTOGRAM_OK)
		status = read_run(&reader, "pos=", into, HISTOGRAM_POSITIVE_SIDE);
	if (status == HISTOGRAM_OK)
		status = read_counter(&reader, "posinf=", into, INFINITY);
	skip_blanks(&reader);
	if (status == HISTOGRAM_OK && *reader.next != '\0')
		status = syntax_error(&reader, "the next field or the end");

	histogram_finish_building(into);
	if (status == HISTOGRAM_OK && has_extremes)
		status = histogram_set_extremes(into, min, max);
	return status;
}
