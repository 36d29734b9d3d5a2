/*-------------------------------------------------------------------------
 *
 * random.h
 *		Values and damage drawn at random: the same seed gives the same.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_UNIT_RANDOM_H
#define USAGE_METER_UNIT_RANDOM_H

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef enum Kind
{
	LOGNORMAL,
	NORMAL,
	ANY_DOUBLE,
	SMALL_INTEGER,
	POWER_OF_TWO,
	SUBNORMAL,
	MIXED
} Kind;

static uint64_t random_state = UINT64_C(88172645463325252);

static void
seed_random(uint64_t seed)
{
	random_state ^= seed * UINT64_C(0x9E3779B97F4A7C15);
}

/* xorshift64* */
static uint64_t
draw(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * UINT64_C(2685821657736338717);
}

static uint64_t
draw_below(uint64_t bound)
{
	return draw() % bound;
}

static double
draw_uniform(void)
{
	return (double) (draw() >> 11) * 0x1p-53;
}

static double
draw_normal(void)
{
	return sqrt(-2.0 * log(draw_uniform() + 1e-18)) * cos(6.283185307179586 * draw_uniform());
}

static double
bits_double(uint64_t bits)
{
	double		value;

	memcpy(&value, &bits, sizeof(value));
	return isnan(value) ? 0.0 : value;
}

static double
draw_value(Kind kind)
{
	switch (kind)
	{
		case LOGNORMAL:
			return exp(draw_normal());
		case NORMAL:
			return draw_normal();
		case ANY_DOUBLE:
			return bits_double(draw());
		case SMALL_INTEGER:
			return (double) draw_below(10);
		case POWER_OF_TWO:
			return ldexp(1.0, (int) draw_below(40) - 20);
		case SUBNORMAL:
			return bits_double(draw_below(2000) | (draw_below(2) << 63));
		default:
			return draw_value((Kind) draw_below(MIXED));
	}
}

/* Change some of the bytes, of which there may become 3 more; returns their number. */
static size_t
mutate(uint8_t *content, size_t length)
{
	int			changes = 1 + (int) draw_below(3);

	while (changes-- > 0 && length > 0)
	{
		size_t		at = draw_below(length);

		switch (draw_below(4))
		{
			case 0:
				content[at] = (uint8_t) draw();
				break;
			case 1:
				content[at] ^= (uint8_t) (1 << draw_below(8));
				break;
			case 2:
				length -= draw_below(length < 5 ? length : 5);
				break;
			default:
				memmove(content + at + 1, content + at, length - at);
				content[at] = (uint8_t) draw();
				length++;
				break;
		}
	}
	return length;
}

#endif							/* USAGE_METER_UNIT_RANDOM_H */
