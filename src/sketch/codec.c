/*-------------------------------------------------------------------------
 *
 * codec.c
 *		The canonical encoding of a histogram: same content, same bytes.
 *
 *		byte 0		version, 1
 *		byte 1		flags: which of the following parts there are
 *		byte 2		scale, two's complement
 *		extremes	minimum and maximum, IEEE 754 double, low byte first
 *		counts		of -Infinity, of zero, of +Infinity: number each, not zero
 *		runs		of the negative and of the positive range
 *
 * A run is the first bucket (number), then 2 * (span - 1), plus one if the run
 * is sparse (unsigned number), then
 *
 *		dense		span numbers: the count less the one before
 *		sparse		the first count (number), and until the last bucket is reached,
 *					how many empty buckets follow (unsigned number) and the count
 *					of the one after them (number)
 *
 * whichever takes fewer bytes, dense if both take the same.  The first and last
 * bucket of a run are not empty.  An unsigned number is LEB128 with no byte to
 * spare; a number is the same after zigzag (0, -1, 1, -2, … become 0, 1, 2, 3, …),
 * and differences wrap around at 64 bits.
 *
 * The empty histogram is 01 00 06.  A histogram knows its extremes only if no
 * count is negative and they lie in its lowest and highest bucket.
 *
 * Decoding trusts nothing.  Whatever breaks a rule above is refused, so that
 * equality and hashing of bytes are those of content.
 *
 *-------------------------------------------------------------------------
 */
#include "histogram.h"

#include "buckets.h"
#include "grid.h"

#define CODEC_VERSION			1

#define FLAG_EXTREMES			0x01
#define FLAG_NEGATIVE_INFINITY	0x02
#define FLAG_ZERO				0x04
#define FLAG_POSITIVE_INFINITY	0x08
#define FLAG_NEGATIVE			0x10
#define FLAG_POSITIVE			0x20
#define FLAGS_CONTENT			0x3e
#define FLAGS_ALL				0x3f

#define NUMBER_BYTES_MAX		10

/* What has not been read yet, and why reading stopped. */
typedef struct Reader
{
	const uint8_t *next;
	const uint8_t *end;
	HistogramStatus status;
} Reader;

/* What the parts that precede the runs say. */
typedef struct Preamble
{
	uint8_t		flags;
	int			scale;
	double		min;
	double		max;
} Preamble;

/* ----------------------------------------------------------------
 * Numbers
 * ----------------------------------------------------------------
 */

static inline uint64_t
zigzag(int64_t number)
{
	return ((uint64_t) number << 1) ^ (uint64_t) (number >> 63);
}

static inline int64_t
unzigzag(uint64_t number)
{
	return (int64_t) ((number >> 1) ^ (0 - (number & 1)));
}

/* Difference and sum that wrap around. */
static inline int64_t
wrapped_difference(int64_t number, int64_t before)
{
	return (int64_t) ((uint64_t) number - (uint64_t) before);
}

static inline int64_t
wrapped_sum(int64_t number, int64_t difference)
{
	return (int64_t) ((uint64_t) number + (uint64_t) difference);
}

static inline size_t
number_length(uint64_t number)
{
	if (likely_core(number < 0x80))
		return 1;
	return (size_t) (63 - __builtin_clzll(number)) / 7 + 1;
}

static inline uint8_t *
write_number(uint8_t *bytes, uint64_t number)
{
	while (number >= 0x80)
	{
		*bytes++ = (uint8_t) (number | 0x80);
		number >>= 7;
	}
	*bytes++ = (uint8_t) number;
	return bytes;
}

static bool __attribute__((noinline))
read_number_slowly(Reader *reader, uint64_t *number)
{
	int			i;

	*number = 0;
	for (i = 0; i < NUMBER_BYTES_MAX; i++)
	{
		uint64_t	byte;

		if (reader->next == reader->end)
		{
			reader->status = HISTOGRAM_TRUNCATED;
			return false;
		}
		byte = *reader->next++;
		*number |= (byte & 0x7f) << (7 * i);
		if (byte < 0x80)
		{
			/* no superfluous last byte, and no bits beyond the 64th */
			if ((byte == 0 && i > 0) || (i == NUMBER_BYTES_MAX - 1 && byte > 1))
				break;
			return true;
		}
	}
	reader->status = HISTOGRAM_BAD_NUMBER;
	return false;
}

static inline bool
read_number(Reader *reader, uint64_t *number)
{
	if (likely_core(reader->next < reader->end && *reader->next < 0x80))
	{
		*number = *reader->next++;
		return true;
	}
	return read_number_slowly(reader, number);
}

static uint8_t *
write_double(uint8_t *bytes, double value)
{
	uint64_t	bits = grid_bits(value);
	int			i;

	for (i = 0; i < 8; i++)
		*bytes++ = (uint8_t) (bits >> (8 * i));
	return bytes;
}

static bool
read_double(Reader *reader, double *value)
{
	uint64_t	bits = 0;
	int			i;

	if (reader->end - reader->next < 8)
	{
		reader->status = HISTOGRAM_TRUNCATED;
		return false;
	}
	for (i = 0; i < 8; i++)
		bits |= (uint64_t) *reader->next++ << (8 * i);
	memcpy(value, &bits, sizeof(bits));
	return true;
}

/* ----------------------------------------------------------------
 * Writing
 * ----------------------------------------------------------------
 */

/*
 * How long a run is in both forms; choose.  Returns the length with its head.
 */
static size_t
plan_run(const HistogramRange *range, int32_t first, int32_t last, HistogramRunPlan *plan)
{
	uint32_t	slot = (uint32_t) (first - range->first);
	uint32_t	end = (uint32_t) (last - range->first);
	size_t		dense = 0;
	size_t		sparse = 0;
	int64_t		before = 0;
	uint32_t	gap = 0;

	plan->first = first;
	plan->span = (uint16_t) (last - first + 1);
	while (slot <= end)
	{
		int64_t		count = range_load(range, slot);
		uint32_t	next = range_next_used(range, slot + 1);

		if (gap > 0)
		{
			dense += number_length(zigzag(wrapped_difference(0, before))) + gap - 1;
			before = 0;
		}
		dense += number_length(zigzag(wrapped_difference(count, before)));
		sparse += number_length(gap) + number_length(zigzag(count));
		before = count;
		gap = next - slot - 1;
		slot = next;
	}
	sparse--;					/* no gap before the first */

	plan->sparse = (sparse < dense);
	return number_length(zigzag(first)) + number_length(((uint64_t) plan->span - 1) << 1) +
		(plan->sparse ? sparse : dense);
}

/*
 * Find out how a histogram will be written, and how long it will be.
 */
void
histogram_plan_encoding(const Histogram *histogram, HistogramEncoding *encoding)
{
	int32_t		first;
	int32_t		last;

	memset(encoding, 0, sizeof(*encoding));
	encoding->length = 3;
	if (histogram->negative_infinity_count != 0)
		encoding->length += number_length(zigzag(histogram->negative_infinity_count));
	if (histogram->zero_count != 0)
		encoding->length += number_length(zigzag(histogram->zero_count));
	if (histogram->positive_infinity_count != 0)
		encoding->length += number_length(zigzag(histogram->positive_infinity_count));
	if (histogram_used(histogram, HISTOGRAM_NEGATIVE_SIDE, &first, &last))
		encoding->length += plan_run(&histogram->negative, first, last, &encoding->negative);
	if (histogram_used(histogram, HISTOGRAM_POSITIVE_SIDE, &first, &last))
		encoding->length += plan_run(&histogram->positive, first, last, &encoding->positive);
	if (histogram->extremes_known && encoding->length > 3)
		encoding->length += 2 * sizeof(double);
}

static uint8_t
encoding_flags(const Histogram *histogram, const HistogramEncoding *encoding)
{
	uint8_t		flags = 0;

	if (histogram->negative_infinity_count != 0)
		flags |= FLAG_NEGATIVE_INFINITY;
	if (histogram->zero_count != 0)
		flags |= FLAG_ZERO;
	if (histogram->positive_infinity_count != 0)
		flags |= FLAG_POSITIVE_INFINITY;
	if (encoding->negative.span > 0)
		flags |= FLAG_NEGATIVE;
	if (encoding->positive.span > 0)
		flags |= FLAG_POSITIVE;
	if (flags != 0 && histogram->extremes_known)
		flags |= FLAG_EXTREMES;
	return flags;
}

static uint8_t *
write_run(uint8_t *bytes, const HistogramRange *range, const HistogramRunPlan *plan)
{
	uint32_t	slot = (uint32_t) (plan->first - range->first);
	uint32_t	end = slot + plan->span;
	int64_t		before = 0;

	if (plan->span == 0)
		return bytes;

	bytes = write_number(bytes, zigzag(plan->first));
	bytes = write_number(bytes, (((uint64_t) plan->span - 1) << 1) | plan->sparse);
	if (plan->sparse)
	{
		uint32_t	next;

		for (;; slot = next)
		{
			bytes = write_number(bytes, zigzag(range_load(range, slot)));
			next = range_next_used(range, slot + 1);
			if (next >= end)
				return bytes;
			bytes = write_number(bytes, next - slot - 1);
		}
	}

	for (; slot < end; slot++)
	{
		int64_t		count = range_load(range, slot);

		bytes = write_number(bytes, zigzag(wrapped_difference(count, before)));
		before = count;
	}
	return bytes;
}

/*
 * Write a histogram: encoding->length bytes, as planned for this same content.
 */
void
histogram_encode(const Histogram *histogram, const HistogramEncoding *encoding, uint8_t *bytes)
{
	uint8_t		flags = encoding_flags(histogram, encoding);

	*bytes++ = CODEC_VERSION;
	*bytes++ = flags;
	*bytes++ = (uint8_t) (flags == 0 ? HISTOGRAM_SCALE_START : histogram->scale);
	if (flags & FLAG_EXTREMES)
	{
		bytes = write_double(bytes, histogram->min);
		bytes = write_double(bytes, histogram->max);
	}
	if (flags & FLAG_NEGATIVE_INFINITY)
		bytes = write_number(bytes, zigzag(histogram->negative_infinity_count));
	if (flags & FLAG_ZERO)
		bytes = write_number(bytes, zigzag(histogram->zero_count));
	if (flags & FLAG_POSITIVE_INFINITY)
		bytes = write_number(bytes, zigzag(histogram->positive_infinity_count));
	bytes = write_run(bytes, &histogram->negative, &encoding->negative);
	write_run(bytes, &histogram->positive, &encoding->positive);
}

/*
 * The encoding of a histogram that holds one value and tracks no extremes,
 * without the histogram.  At most HISTOGRAM_ENCODED_SINGLE_MAX bytes.
 */
HistogramStatus
histogram_encode_single(double value, int64_t weight, uint8_t *bytes, size_t *length)
{
	uint8_t    *start = bytes;
	uint8_t		flags;

	if (isnan(value))
		return HISTOGRAM_NAN;
	if (weight == 0)
		flags = 0;
	else if (value == 0.0)
		flags = FLAG_ZERO;
	else if (isinf(value))
		flags = (value > 0.0) ? FLAG_POSITIVE_INFINITY : FLAG_NEGATIVE_INFINITY;
	else
		flags = (value > 0.0) ? FLAG_POSITIVE : FLAG_NEGATIVE;

	*bytes++ = CODEC_VERSION;
	*bytes++ = flags;
	*bytes++ = HISTOGRAM_SCALE_START;
	if (flags & (FLAG_POSITIVE | FLAG_NEGATIVE))
	{
		bytes = write_number(bytes, zigzag(grid_index(fabs(value), HISTOGRAM_SCALE_START)));
		bytes = write_number(bytes, 0);
	}
	if (flags != 0)
		bytes = write_number(bytes, zigzag(weight));
	*length = (size_t) (bytes - start);
	return HISTOGRAM_OK;
}

/* ----------------------------------------------------------------
 * Reading
 * ----------------------------------------------------------------
 */

static HistogramStatus
read_preamble(Reader *reader, Preamble *preamble)
{
	if (reader->end - reader->next < 3)
		return HISTOGRAM_TRUNCATED;
	if (*reader->next++ != CODEC_VERSION)
		return HISTOGRAM_BAD_VERSION;
	preamble->flags = *reader->next++;
	preamble->scale = (int8_t) *reader->next++;

	if ((preamble->flags & ~FLAGS_ALL) != 0 || preamble->flags == FLAG_EXTREMES)
		return HISTOGRAM_BAD_FLAGS;
	if (preamble->scale < HISTOGRAM_SCALE_MIN || preamble->scale > HISTOGRAM_SCALE_MAX ||
		(preamble->flags == 0 && preamble->scale != HISTOGRAM_SCALE_START))
		return HISTOGRAM_BAD_SCALE;

	if (preamble->flags & FLAG_EXTREMES)
	{
		if (!read_double(reader, &preamble->min) || !read_double(reader, &preamble->max))
			return reader->status;
		if (grid_bits(preamble->min) == GRID_SIGN_BIT || grid_bits(preamble->max) == GRID_SIGN_BIT)
			return HISTOGRAM_BAD_EXTREMES;
	}
	return HISTOGRAM_OK;
}

/* A count that has no bucket. */
static HistogramStatus
merge_counter(Histogram *into, int64_t *counter, Reader *reader, bool is_known, int sign)
{
	uint64_t	number;

	if (!read_number(reader, &number))
		return reader->status;
	if (number == 0)
		return HISTOGRAM_NOT_CANONICAL;
	if (is_known && unzigzag(number) < 0)
		return HISTOGRAM_BAD_EXTREMES;
	return counter_merge(into, counter, unzigzag(number), sign);
}

/*
 * Would a run that was read and accepted be shorter in the other form?  The
 * bytes are from .. reader->next.  Shortcuts that need no second look: a dense
 * run takes a byte for each bucket, a sparse one two for each that is not empty,
 * less one.
 */
static bool
run_is_shortest(const uint8_t *from, const uint8_t *to, bool sparse, uint32_t span,
				uint32_t buckets)
{
	Reader		reader = {from, to, HISTOGRAM_OK};
	size_t		length = (size_t) (to - from);
	size_t		other = 0;
	int64_t		count = 0;
	int64_t		before = 0;
	uint64_t	number;
	uint64_t	gap = 0;

	if (sparse ? length < span : length <= 2 * (size_t) buckets - 1)
		return true;

	while (reader.next < reader.end)
	{
		if (sparse)
		{
			/* as dense: down to zero, along the gap, up again */
			if (reader.next > from)
			{
				if (!read_number(&reader, &gap))
					return false;
				if (gap > 0)
				{
					other += number_length(zigzag(wrapped_difference(0, before))) + gap - 1;
					before = 0;
				}
			}
			if (!read_number(&reader, &number))
				return false;
			count = unzigzag(number);
			other += number_length(zigzag(wrapped_difference(count, before)));
			before = count;
			continue;
		}

		/* as sparse */
		if (!read_number(&reader, &number))
			return false;
		count = wrapped_sum(count, unzigzag(number));
		if (count == 0)
			gap++;
		else
		{
			other += number_length(gap) + number_length(zigzag(count));
			gap = 0;
		}
	}
	return sparse ? length < other : length <= other - 1;
}

/* Where a run goes, and how. */
typedef struct RunTarget
{
	Histogram  *into;
	HistogramRange *range;
	int64_t		first;			/* of the run, at its scale */
	uint32_t	span;
	int			shift;			/* from its scale to ours */
	int			sign;
	bool		is_known;		/* extremes are: no count may be negative */
} RunTarget;

static inline HistogramStatus
merge_count(const RunTarget *target, uint32_t position, int64_t count)
{
	int64_t		index = (target->first + position) >> target->shift;

	if (unlikely_core(count < 0 && target->is_known))
		return HISTOGRAM_BAD_EXTREMES;
	return bucket_merge(target->into, target->range,
						(uint32_t) (index - target->range->first), count, target->sign);
}

static HistogramStatus
merge_dense(const RunTarget *target, Reader *reader, uint32_t *buckets)
{
	int64_t		count = 0;
	uint32_t	position;

	for (position = 0; position < target->span; position++)
	{
		HistogramStatus status;
		uint64_t	number;

		if (unlikely_core(!read_number(reader, &number)))
			return reader->status;
		count = wrapped_sum(count, unzigzag(number));
		if (count == 0)
		{
			if (position == 0)
				return HISTOGRAM_NOT_CANONICAL;
			continue;
		}
		status = merge_count(target, position, count);
		if (unlikely_core(status != HISTOGRAM_OK))
			return status;
		(*buckets)++;
	}
	return (count == 0) ? HISTOGRAM_NOT_CANONICAL : HISTOGRAM_OK;
}

static HistogramStatus
merge_sparse(const RunTarget *target, Reader *reader, uint32_t *buckets)
{
	uint32_t	position = 0;

	for (;;)
	{
		HistogramStatus status;
		uint64_t	number;

		if (unlikely_core(!read_number(reader, &number)))
			return reader->status;
		if (unlikely_core(number == 0))
			return HISTOGRAM_NOT_CANONICAL;
		status = merge_count(target, position, unzigzag(number));
		if (unlikely_core(status != HISTOGRAM_OK))
			return status;
		(*buckets)++;

		if (position == target->span - 1)
			return HISTOGRAM_OK;
		if (unlikely_core(!read_number(reader, &number)))
			return reader->status;
		if (unlikely_core(number >= target->span - 1 - position))
			return HISTOGRAM_BAD_BUCKET;
		position += (uint32_t) number + 1;
	}
}

/*
 * Merge a run, and tell which buckets it spans.
 */
static HistogramStatus
merge_run(Histogram *into, HistogramSide side, Reader *reader, const Preamble *preamble,
		  int sign, int32_t *first, int32_t *last)
{
	RunTarget	target = {into, histogram_range(into, side), 0, 0, 0, sign, false};
	uint32_t	buckets = 0;
	const uint8_t *start;
	HistogramStatus status;
	uint64_t	number;
	uint64_t	head;

	if (!read_number(reader, &number) || !read_number(reader, &head))
		return reader->status;
	if (head >> 1 >= HISTOGRAM_BUCKETS_MAX)
		return HISTOGRAM_TOO_MANY_BUCKETS;
	target.first = unzigzag(number);
	target.span = (uint32_t) (head >> 1) + 1;
	target.is_known = (preamble->flags & FLAG_EXTREMES) != 0;
	if (target.first < grid_index_min(preamble->scale) ||
		target.first > grid_index_max(preamble->scale) - (int64_t) (target.span - 1))
		return HISTOGRAM_BAD_BUCKET;
	*first = (int32_t) target.first;
	*last = (int32_t) (target.first + target.span - 1);

	status = histogram_cover(into, side, *first, *last, preamble->scale);
	if (status != HISTOGRAM_OK)
		return status;
	target.shift = preamble->scale - into->scale;

	start = reader->next;
	status = (head & 1) ? merge_sparse(&target, reader, &buckets)
		: merge_dense(&target, reader, &buckets);
	if (status == HISTOGRAM_OK &&
		!run_is_shortest(start, reader->next, head & 1, target.span, buckets))
		status = HISTOGRAM_NOT_CANONICAL;
	return status;
}

/* All counts. */
static HistogramStatus
merge_parts(Histogram *into, Reader *reader, const Preamble *preamble, int sign,
			HistogramOutline *outline)
{
	uint8_t		flags = preamble->flags;
	bool		is_known = (flags & FLAG_EXTREMES) != 0;
	HistogramStatus status = histogram_meet_scale(into, preamble->scale);

	if (status == HISTOGRAM_OK && (flags & FLAG_NEGATIVE_INFINITY))
		status = merge_counter(into, &into->negative_infinity_count, reader, is_known, sign);
	if (status == HISTOGRAM_OK && (flags & FLAG_ZERO))
		status = merge_counter(into, &into->zero_count, reader, is_known, sign);
	if (status == HISTOGRAM_OK && (flags & FLAG_POSITIVE_INFINITY))
		status = merge_counter(into, &into->positive_infinity_count, reader, is_known, sign);
	if (status == HISTOGRAM_OK && (flags & FLAG_NEGATIVE))
		status = merge_run(into, HISTOGRAM_NEGATIVE_SIDE, reader, preamble, sign,
						   &outline->negative_first, &outline->negative_last);
	if (status == HISTOGRAM_OK && (flags & FLAG_POSITIVE))
		status = merge_run(into, HISTOGRAM_POSITIVE_SIDE, reader, preamble, sign,
						   &outline->positive_first, &outline->positive_last);
	if (status == HISTOGRAM_OK && reader->next != reader->end)
		status = HISTOGRAM_TRAILING_BYTES;
	return status;
}

/* Outline of what is being read, but for the runs. */
static void
start_outline(const Preamble *preamble, HistogramOutline *outline)
{
	memset(outline, 0, sizeof(*outline));
	outline->scale = preamble->scale;
	outline->has_negative_infinity = (preamble->flags & FLAG_NEGATIVE_INFINITY) != 0;
	outline->has_negative = (preamble->flags & FLAG_NEGATIVE) != 0;
	outline->has_zero = (preamble->flags & FLAG_ZERO) != 0;
	outline->has_positive = (preamble->flags & FLAG_POSITIVE) != 0;
	outline->has_positive_infinity = (preamble->flags & FLAG_POSITIVE_INFINITY) != 0;
}

/*
 * Merge encoded content, or subtract it if sign is negative, without building
 * the histogram it stands for.  On failure part of it may have been merged: the
 * histogram is valid, but of no use.
 */
HistogramStatus
histogram_merge_encoded(Histogram *into, const uint8_t *bytes, size_t length, int sign)
{
	Reader		reader = {bytes, bytes + length, HISTOGRAM_OK};
	Preamble	preamble = {0};
	HistogramOutline outline;
	HistogramStatus status = read_preamble(&reader, &preamble);

	if (status != HISTOGRAM_OK)
		return status;
	if (preamble.flags == 0)
		return (reader.next == reader.end) ? HISTOGRAM_OK : HISTOGRAM_TRAILING_BYTES;

	start_outline(&preamble, &outline);
	status = merge_parts(into, &reader, &preamble, sign, &outline);
	if (status == HISTOGRAM_OK && (preamble.flags & FLAG_EXTREMES) &&
		!outline_holds_extremes(&outline, preamble.min, preamble.max))
		status = HISTOGRAM_BAD_EXTREMES;
	histogram_merged(into,
					 status == HISTOGRAM_OK && sign > 0 && (preamble.flags & FLAG_EXTREMES) != 0,
					 preamble.min, preamble.max);
	return status;
}

/*
 * The encoding of one bucket without extremes, such as histogram_encode_single()
 * makes, with the count negated, and without a histogram.  False if it is any
 * other, or malformed.  At most HISTOGRAM_ENCODED_SINGLE_MAX bytes.
 */
bool
histogram_negate_single(const uint8_t *bytes, size_t length, uint8_t *negated,
						size_t *negated_length)
{
	Reader		reader = {bytes, bytes + length, HISTOGRAM_OK};
	Preamble	preamble = {0};
	uint64_t	index;
	uint64_t	head;
	uint64_t	count;
	size_t		before_count;

	if (read_preamble(&reader, &preamble) != HISTOGRAM_OK ||
		(preamble.flags != FLAG_POSITIVE && preamble.flags != FLAG_NEGATIVE) ||
		!read_number(&reader, &index) || !read_number(&reader, &head))
		return false;
	before_count = (size_t) (reader.next - bytes);
	if (unzigzag(index) < grid_index_min(preamble.scale) ||
		unzigzag(index) > grid_index_max(preamble.scale) || head != 0 ||
		!read_number(&reader, &count) || count == 0 || unzigzag(count) == INT64_MIN ||
		reader.next != reader.end)
		return false;

	memcpy(negated, bytes, before_count);
	*negated_length = (size_t) (write_number(negated + before_count, zigzag(-unzigzag(count))) - negated);
	return true;
}

/*
 * Read encoded content into an empty histogram, which should track extremes.
 */
HistogramStatus
histogram_decode(Histogram *into, const uint8_t *bytes, size_t length)
{
	return histogram_merge_encoded(into, bytes, length, 1);
}

/*
 * A status in words: a sentence, for the detail of an error message.
 */
const char *
histogram_status_text(HistogramStatus status)
{
	switch (status)
	{
		case HISTOGRAM_OK:
			return "There is no error.";
		case HISTOGRAM_NAN:
			return "NaN has no place in an order of values.";
		case HISTOGRAM_OVERFLOW:
			return "A count does not fit into 64 bits.";
		case HISTOGRAM_OUT_OF_MEMORY:
			return "There is not enough memory.";
		case HISTOGRAM_BAD_FRACTION:
			return "A fraction must be between 0 and 1.";
		case HISTOGRAM_EMPTY:
			return "The sketch is empty.";
		case HISTOGRAM_NEGATIVE:
			return "A count is negative.";
		case HISTOGRAM_SYNTAX:
			return "The text has another form.";
		case HISTOGRAM_BAD_VERSION:
			return "The format version is unknown.";
		case HISTOGRAM_BAD_FLAGS:
			return "The flags are unknown or contradict each other.";
		case HISTOGRAM_BAD_SCALE:
			return "The scale must be between -10 and 20, and that of an empty sketch 6.";
		case HISTOGRAM_BAD_EXTREMES:
			return "Minimum and maximum do not lie in the lowest and highest bucket.";
		case HISTOGRAM_BAD_BUCKET:
			return "A bucket lies outside the range of double precision, or of its run.";
		case HISTOGRAM_TOO_MANY_BUCKETS:
			return "The buckets of one sign span more than 4096.";
		case HISTOGRAM_BAD_NUMBER:
			return "A variable-length number is too long.";
		case HISTOGRAM_TRUNCATED:
			return "The data ends too early.";
		case HISTOGRAM_TRAILING_BYTES:
			return "There is data after the end.";
		case HISTOGRAM_NOT_CANONICAL:
			return "The data is not in canonical form.";
	}
	return "The status is unknown.";
}
