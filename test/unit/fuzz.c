/*-------------------------------------------------------------------------
 *
 * fuzz.c
 *		The fuzz target on inputs drawn at random: a short run, the same each time,
 *		for which no fuzzer is needed (test/fuzz/run is the long one).
 *
 *	test/unit/fuzz [rounds [seed]]
 *
 * Each round makes a valid input of each kind that the target knows, gives it to
 * the target, damages it and gives it again, some times over.
 *
 *-------------------------------------------------------------------------
 */
#include "../fuzz/sketch.c"

#include <stdio.h>

#include "random.h"

#define VALUES_MAX			40
#define DAMAGES				10
#define INPUT_MAX			(8 + 2 * HISTOGRAM_ENCODED_MAX + 3 * DAMAGES)

static uint8_t input[INPUT_MAX];

/* The target may not write to its input, nor read beyond its end: a copy of that size. */
static void
give(size_t length)
{
	uint8_t    *exact = malloc(length > 0 ? length : 1);

	memcpy(exact, input, length);
	LLVMFuzzerTestOneInput(exact, length);
	free(exact);
}

/* The encoding of some values, often with signed weights. */
static size_t
draw_encoding(uint8_t *bytes)
{
	Histogram	histogram;
	Kind		kind = (Kind) draw_below(MIXED + 1);
	int			count = (int) draw_below(VALUES_MAX);
	size_t		length;

	histogram_init(&histogram, resize, NULL, true);
	if (draw_below(4) == 0)
		histogram_set_scale(&histogram, (int) draw_below(31) + HISTOGRAM_SCALE_MIN);
	while (count-- > 0)
		histogram_add(&histogram, draw_value(kind),
					  draw_below(4) != 0 ? 1 : (int64_t) draw() >> draw_below(64));
	length = encode(&histogram, bytes);
	histogram_free(&histogram);
	return length;
}

/* A run of buckets as text. */
static int
draw_run(char *text, const char *name)
{
	int			length = sprintf(text, " %s=%d:%d", name, (int) draw_below(200) - 100, 1 + (int) draw_below(9));
	int			items = (int) draw_below(20);

	while (items-- > 0)
		length += sprintf(text + length, draw_below(3) == 0 ? ",~%d,1" : ",%d", (int) draw_below(300));
	return length;
}

/* A sketch as text, mostly well-formed. */
static size_t
draw_text(char *text)
{
	int			length = sprintf(text, "scale=%d", draw_below(2) != 0 ? 6 : (int) draw_below(33) - 11);

	if (draw_below(4) == 0)
		length += sprintf(text + length, " min=%.17g max=%.17g", draw_value(MIXED), draw_value(MIXED));
	if (draw_below(4) == 0)
		length += sprintf(text + length, " neginf=%d", (int) draw_below(9) - 1);
	if (draw_below(2) == 0)
		length += draw_run(text + length, "neg");
	if (draw_below(4) == 0)
		length += sprintf(text + length, " zero=%lld", (long long) draw());
	if (draw_below(2) == 0)
		length += draw_run(text + length, "pos");
	if (draw_below(4) == 0)
		length += sprintf(text + length, " posinf=%d", (int) draw_below(9));
	return (size_t) length;
}

/* An input of a kind; returns its length. */
static size_t
draw_input(uint8_t kind)
{
	size_t		length;
	int			count;

	input[0] = kind;
	switch (kind)
	{
		case 0:
			return 1 + draw_encoding(input + 1);
		case 1:
			return 1 + draw_text((char *) input + 1);
		case 2:
			length = draw_encoding(input + 2);
			input[1] = (uint8_t) (length < 255 ? length : 255);
			return 2 + length + draw_encoding(input + 2 + length);
		default:
			length = 1;
			for (count = (int) draw_below(VALUES_MAX); count > 0; count--)
			{
				double		value = draw_value(MIXED);

				memcpy(input + length, &value, sizeof(value));
				length += sizeof(value);
			}
			return length;
	}
}

int
main(int argc, char **argv)
{
	long		rounds = (argc > 1) ? atol(argv[1]) : 500;
	long		i;
	uint8_t		kind;

	if (argc > 2)
		seed_random(strtoull(argv[2], NULL, 10));
	for (i = 0; i < rounds; i++)
	{
		for (kind = 0; kind < 4; kind++)
		{
			size_t		length = draw_input(kind);
			int			damages;

			give(length);
			for (damages = 0; damages < DAMAGES; damages++)
			{
				length = 1 + mutate(input + 1, length - 1);
				give(length);
			}
		}
	}
	printf("%ld inputs\n", rounds * 4 * (DAMAGES + 1));
	return 0;
}
