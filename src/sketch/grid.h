/*-------------------------------------------------------------------------
 *
 * grid.h
 *		The exponential grid: which bucket holds a value, and where buckets end.
 *
 * The grid is that of the OpenTelemetry metrics data model ("Exponential
 * Histogram", all scales): base = 2^(2^-scale), bucket i covers the magnitudes
 * (base^i, base^(i+1)].  So an exact power of two is the last value of its
 * bucket, and halving the scale halves the index: bucket i of scale s lies
 * within bucket i >> 1 of scale s - 1.
 *
 * No logarithm is taken, because a logarithm is slow and wrong next to a
 * boundary.  A boundary inside an octave, 2^(j/2^scale) with 0 < j < 2^scale,
 * is irrational, so no double equals it, and "x > boundary" is the same as
 * "x > F" where F is the boundary rounded down to a double.  Subtracting one
 * from the bits of x, that is one ulp, turns that into "bits(x) - 1 >= bits(F)",
 * and at the same time moves an exact power of two into the bucket that ends
 * with it.  What remains is to find j from the mantissa: the 128 cells of its
 * top seven bits are narrower than any bucket of scale 6, so a cell holds at
 * most one boundary and one comparison decides.  Coarser scales follow by
 * shifting the index.
 *
 * Finer scales occur only in histograms that came from elsewhere.  There the
 * boundary is a product of up to 20 of the constants 2^(2^-k), in fixed point
 * with 127 fraction bits.  Each constant is rounded down by less than 2^-127,
 * each product by less than 2^-126, so after 20 factors less than 2^-120 is
 * missing and nothing is in excess.  Rounding down to 52 bits is therefore
 * right unless the true boundary lies less than 2^-68 ulp above a double.  All
 * 2^20 - 1 boundaries of scale 20 (which contain those of each coarser scale)
 * were checked with 400-bit integers: none lies closer than 2^-21 ulp to the
 * double below it, nor closer than 2^-25 ulp to the one above.
 *
 * Everything here is static: the file is included where the grid is needed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_SKETCH_GRID_H
#define USAGE_METER_SKETCH_GRID_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Scales of the OpenTelemetry data model. */
#define GRID_SCALE_MIN			(-10)
#define GRID_SCALE_MAX			20

/* The scale of the lookup table, and of a new histogram. */
#define GRID_SCALE_TABLE		6

/* Layout of an IEEE 754 double. */
#define GRID_SIGN_BIT			(UINT64_C(1) << 63)
#define GRID_MANTISSA_BITS		52
#define GRID_MANTISSA_MASK		((UINT64_C(1) << GRID_MANTISSA_BITS) - 1)
#define GRID_EXPONENT_BIAS		1023
#define GRID_INFINITY_BITS		(UINT64_C(0x7ff) << GRID_MANTISSA_BITS)
#define GRID_NORMAL_BITS		(UINT64_C(1) << GRID_MANTISSA_BITS)
#define GRID_SMALLEST_DOUBLE	4.9406564584124654e-324
#define GRID_LARGEST_DOUBLE		1.7976931348623157e308

/* The smallest positive double is 2^-1074, the largest one just below 2^1024. */
#define GRID_EXPONENT_MIN		(-1074)
#define GRID_EXPONENT_MAX		1023

/* A number in [1, 2): 127 fraction bits in limbs of 32, least significant first. */
typedef struct GridFixed
{
	uint32_t	limb[4];
} GridFixed;

/* 2^(2^-k) for k = 1 .. 20, rounded down. */
static const GridFixed grid_roots[GRID_SCALE_MAX] = {
	{{0x754abe9f, 0x597d89b3, 0xf9de6484, 0xb504f333}}, /* 2^(2^-1) */
	{{0x2e42f6f6, 0x46ad2318, 0x8db8a96f, 0x9837f051}}, /* 2^(2^-2) */
	{{0x58a53c90, 0xfbe46287, 0xea8bd6e6, 0x8b95c1e3}}, /* 2^(2^-3) */
	{{0x2154c1b2, 0xc5c95b8c, 0xcc487b14, 0x85aac367}}, /* 2^(2^-4) */
	{{0x46520bff, 0x3e2a475b, 0xac2ba1d7, 0x82cd8698}}, /* 2^(2^-5) */
	{{0xbd14def4, 0x7be56527, 0xbc030773, 0x8164d1f3}}, /* 2^(2^-6) */
	{{0xb6e6fd20, 0x25335719, 0xd999ab6c, 0x80b1ed4f}}, /* 2^(2^-7) */
	{{0x08ee4aa2, 0x94d589f6, 0xd5e5f6b0, 0x8058d7d2}}, /* 2^(2^-8) */
	{{0x6797b3ce, 0xff8ce94a, 0xd0e04f50, 0x802c6436}}, /* 2^(2^-9) */
	{{0x4d11d008, 0x3690dfe4, 0x17467628, 0x8016302f}}, /* 2^(2^-10) */
	{{0xae18f2f0, 0x945e54e2, 0x82028fd0, 0x800b179c}}, /* 2^(2^-11) */
	{{0xe549cb93, 0x1c718b38, 0x7fee3b5d, 0x80058baf}}, /* 2^(2^-12) */
	{{0xc048be1f, 0xb6566a58, 0x0fdcfcb6, 0x8002c5d0}}, /* 2^(2^-13) */
	{{0x463473d9, 0xe84c2e1a, 0x1bed4a48, 0x800162e6}}, /* 2^(2^-14) */
	{{0xca949013, 0xaa22beac, 0x92f702a3, 0x8000b172}}, /* 2^(2^-15) */
	{{0x256f41fe, 0x030c5fa5, 0x2abbae02, 0x800058b9}}, /* 2^(2^-16) */
	{{0xdbea67d6, 0x1776c0f4, 0x8dade4d7, 0x80002c5c}}, /* 2^(2^-17) */
	{{0x600bdbe4, 0x526be456, 0x44eaf636, 0x8000162e}}, /* 2^(2^-18) */
	{{0x1cd4e8b6, 0x8307016c, 0x21fa7c18, 0x80000b17}}, /* 2^(2^-19) */
	{{0x03488bb1, 0xecfc4875, 0x90de7e4c, 0x8000058b}} /* 2^(2^-20) */
};

/* Mantissa bits of 2^(j/64) for j = 0 .. 64, rounded down. */
static const uint64_t grid_boundaries[65] = {
	UINT64_C(0x00000000000000), UINT64_C(0x002c9a3e778060), UINT64_C(0x0059b0d3158574),
	UINT64_C(0x00874518759bc8), UINT64_C(0x00b5586cf9890f), UINT64_C(0x00e3ec32d3d1a2),
	UINT64_C(0x011301d0125b50), UINT64_C(0x01429aaea92ddf), UINT64_C(0x0172b83c7d517a),
	UINT64_C(0x01a35beb6fcb75), UINT64_C(0x01d4873168b9aa), UINT64_C(0x02063b88628cd6),
	UINT64_C(0x02387a6e756238), UINT64_C(0x026b4565e27cdd), UINT64_C(0x029e9df51fdee1),
	UINT64_C(0x02d285a6e4030b), UINT64_C(0x0306fe0a31b715), UINT64_C(0x033c08b26416ff),
	UINT64_C(0x0371a7373aa9ca), UINT64_C(0x03a7db34e59ff6), UINT64_C(0x03dea64c123422),
	UINT64_C(0x04160a21f72e29), UINT64_C(0x044e086061892d), UINT64_C(0x0486a2b5c13cd0),
	UINT64_C(0x04bfdad5362a27), UINT64_C(0x04f9b2769d2ca6), UINT64_C(0x05342b569d4f81),
	UINT64_C(0x056f4736b527da), UINT64_C(0x05ab07dd485429), UINT64_C(0x05e76f15ad2148),
	UINT64_C(0x06247eb03a5584), UINT64_C(0x06623882552224), UINT64_C(0x06a09e667f3bcc),
	UINT64_C(0x06dfb23c651a2e), UINT64_C(0x071f75e8ec5f73), UINT64_C(0x075feb564267c8),
	UINT64_C(0x07a11473eb0186), UINT64_C(0x07e2f336cf4e62), UINT64_C(0x082589994cce12),
	UINT64_C(0x0868d99b4492ec), UINT64_C(0x08ace5422aa0db), UINT64_C(0x08f1ae99157736),
	UINT64_C(0x093737b0cdc5e4), UINT64_C(0x097d829fde4e4f), UINT64_C(0x09c49182a3f090),
	UINT64_C(0x0a0c667b5de564), UINT64_C(0x0a5503b23e255c), UINT64_C(0x0a9e6b5579fdbf),
	UINT64_C(0x0ae89f995ad3ad), UINT64_C(0x0b33a2b84f15fa), UINT64_C(0x0b7f76f2fb5e46),
	UINT64_C(0x0bcc1e904bc1d2), UINT64_C(0x0c199bdd85529c), UINT64_C(0x0c67f12e57d14b),
	UINT64_C(0x0cb720dcef9069), UINT64_C(0x0d072d4a07897b), UINT64_C(0x0d5818dcfba487),
	UINT64_C(0x0da9e603db3285), UINT64_C(0x0dfc97337b9b5e), UINT64_C(0x0e502ee78b3ff6),
	UINT64_C(0x0ea4afa2a490d9), UINT64_C(0x0efa1bee615a27), UINT64_C(0x0f50765b6e4540),
	UINT64_C(0x0fa7c1819e90d8), UINT64_C(0x10000000000000)
};

/* For the top seven mantissa bits: the last j with 2^(j/64) at or below. */
static const uint8_t grid_cells[128] = {
	0, 0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7, 8, 8, 9, 10,
	10, 11, 12, 12, 13, 14, 14, 15, 15, 16, 17, 17, 18, 18, 19, 20,
	20, 21, 21, 22, 22, 23, 24, 24, 25, 25, 26, 26, 27, 27, 28, 28,
	29, 29, 30, 30, 31, 31, 32, 33, 33, 34, 34, 35, 35, 35, 36, 36,
	37, 37, 38, 38, 39, 39, 40, 40, 41, 41, 42, 42, 43, 43, 43, 44,
	44, 45, 45, 46, 46, 47, 47, 47, 48, 48, 49, 49, 50, 50, 50, 51,
	51, 52, 52, 52, 53, 53, 54, 54, 54, 55, 55, 56, 56, 56, 57, 57,
	58, 58, 58, 59, 59, 59, 60, 60, 61, 61, 61, 62, 62, 62, 63, 63
};

/*
 * For scales -10 .. 20: the harmonic mid-point of a bucket over its lower
 * boundary, 2 / (1 + 1 / base).  A table, because the libraries of different
 * platforms disagree on the last bit of exp2().
 */
static const double grid_midpoints[GRID_SCALE_MAX - GRID_SCALE_MIN + 1] = {
	0x1.0000000000000p+1, 0x1.0000000000000p+1, 0x1.0000000000000p+1,
	0x1.0000000000000p+1, 0x1.0000000000000p+1, 0x1.fffffffe00000p+0,
	0x1.fffe0001fffe0p+0, 0x1.fe01fe01fe020p+0, 0x1.e1e1e1e1e1e1ep+0,
	0x1.999999999999ap+0, 0x1.5555555555555p+0, 0x1.2bec333018867p+0,
	0x1.1620185e56214p+0, 0x1.0b155b2640b15p+0, 0x1.058b57ec67ce7p+0,
	0x1.02c5c14532e9cp+0, 0x1.0162e34c980bbp+0, 0x1.00b171fb8cce7p+0,
	0x1.0058b9086e880p+0, 0x1.002c5c858c485p+0, 0x1.00162e42f0c4bp+0,
	0x1.000b17217db67p+0, 0x1.00058b90bf85cp+0, 0x1.0002c5c85fd83p+0,
	0x1.000162e42feecp+0, 0x1.0000b17217f7bp+0, 0x1.000058b90bfbep+0,
	0x1.00002c5c85fdfp+0, 0x1.0000162e42ff0p+0, 0x1.00000b17217f8p+0,
	0x1.0000058b90bfcp+0
};

static inline uint64_t
grid_bits(double value)
{
	uint64_t	bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

/*
 * Bucket, at the scale of the table, of the magnitude whose bits less one are
 * given.  The magnitude must be above the smallest normal double, and finite.
 */
static inline int32_t
grid_index_normal(uint64_t bits_less_one)
{
	uint64_t	mantissa = bits_less_one & GRID_MANTISSA_MASK;
	int32_t		exponent = (int32_t) (bits_less_one >> GRID_MANTISSA_BITS) - GRID_EXPONENT_BIAS;
	int32_t		step = grid_cells[mantissa >> (GRID_MANTISSA_BITS - 7)];

	step += (mantissa >= grid_boundaries[step + 1]);
	return exponent * 64 + step;
}

/* Product of two numbers in [1, 2), which must stay below 2; rounded down. */
static inline GridFixed
grid_multiply(const GridFixed *left, const GridFixed *right)
{
	uint32_t	product[8] = {0};
	GridFixed	result;
	int			i;
	int			j;

	for (i = 0; i < 4; i++)
	{
		uint64_t	carry = 0;

		for (j = 0; j < 4; j++)
		{
			carry += (uint64_t) left->limb[i] * right->limb[j] + product[i + j];
			product[i + j] = (uint32_t) carry;
			carry >>= 32;
		}
		product[i + 4] = (uint32_t) carry;
	}

	for (i = 0; i < 4; i++)
		result.limb[i] = (product[i + 4] << 1) | (product[i + 3] >> 31);
	return result;
}

/* The 52 mantissa bits of a number in [1, 2), rounded down. */
static inline uint64_t
grid_mantissa(const GridFixed *fixed)
{
	uint64_t	top = ((uint64_t) fixed->limb[3] << 32) | fixed->limb[2];

	return (top >> (63 - GRID_MANTISSA_BITS)) & GRID_MANTISSA_MASK;
}

/* Step within an octave, at a scale finer than the table, of a mantissa less one ulp. */
static inline int32_t
grid_step_fine(uint64_t mantissa, int scale)
{
	GridFixed	boundary = {{0, 0, 0, UINT32_C(0x80000000)}};
	int32_t		step = 0;
	int			k;

	for (k = 1; k <= scale; k++)
	{
		GridFixed	candidate = grid_multiply(&boundary, &grid_roots[k - 1]);

		step <<= 1;
		if (mantissa >= grid_mantissa(&candidate))
		{
			boundary = candidate;
			step |= 1;
		}
	}
	return step;
}

/* Bucket of a positive, finite magnitude at any scale. */
static inline int32_t
grid_index(double magnitude, int scale)
{
	uint64_t	bits = grid_bits(magnitude) - 1;
	int32_t		octaves = 0;

	/* Subnormals, and the smallest normal: scale up, which is exact. */
	if (bits < GRID_NORMAL_BITS)
	{
		bits = grid_bits(magnitude * 18014398509481984.0) - 1;	/* 2^54 */
		octaves = -54;
	}

	if (scale <= GRID_SCALE_TABLE)
		return (grid_index_normal(bits) + octaves * 64) >> (GRID_SCALE_TABLE - scale);

	octaves += (int32_t) (bits >> GRID_MANTISSA_BITS) - GRID_EXPONENT_BIAS;
	return octaves * ((int32_t) 1 << scale) + grid_step_fine(bits & GRID_MANTISSA_MASK, scale);
}

/* First and last bucket that hold a double. */
static inline int32_t
grid_index_min(int scale)
{
	return (scale >= 0) ? GRID_EXPONENT_MIN * ((int32_t) 1 << scale) - 1
		: (GRID_EXPONENT_MIN - 1) >> -scale;
}

static inline int32_t
grid_index_max(int scale)
{
	return (scale >= 0) ? (GRID_EXPONENT_MAX + 1) * ((int32_t) 1 << scale) - 1
		: GRID_EXPONENT_MAX >> -scale;
}

/*
 * Lower boundary of a bucket, base^index, as mantissa bits (rounded down) and
 * an exponent of two, which may lie outside the range of a double.
 */
static inline uint64_t
grid_boundary(int64_t index, int scale, int32_t *exponent)
{
	GridFixed	boundary = {{0, 0, 0, UINT32_C(0x80000000)}};
	int			k;

	if (scale <= GRID_SCALE_TABLE)
	{
		int64_t		fine = index * ((int64_t) 1 << (GRID_SCALE_TABLE - scale));

		*exponent = (int32_t) (fine >> 6);
		return grid_boundaries[fine & 63];
	}

	*exponent = (int32_t) (index >> scale);
	for (k = 1; k <= scale; k++)
	{
		if ((index >> (scale - k)) & 1)
			boundary = grid_multiply(&boundary, &grid_roots[k - 1]);
	}
	return grid_mantissa(&boundary);
}

/* The same as a double: the largest one not above the boundary. */
static inline double
grid_boundary_double(int64_t index, int scale)
{
	int32_t		exponent;
	uint64_t	mantissa = grid_boundary(index, scale, &exponent) | GRID_NORMAL_BITS;
	uint64_t	bits;
	double		result;

	if (exponent > GRID_EXPONENT_MAX)
		return GRID_LARGEST_DOUBLE;
	if (exponent < GRID_EXPONENT_MIN)
		return 0.0;
	if (exponent <= -GRID_EXPONENT_BIAS)
		bits = mantissa >> (1 - GRID_EXPONENT_BIAS - exponent);
	else
		bits = (mantissa & GRID_MANTISSA_MASK) |
			((uint64_t) (exponent + GRID_EXPONENT_BIAS) << GRID_MANTISSA_BITS);

	memcpy(&result, &bits, sizeof(result));
	return result;
}

/*
 * Harmonic mid-point of a bucket, 2 lo hi / (lo + hi) = lo * 2 / (1 + 1 / base):
 * no magnitude of the bucket is further from it than grid_error() tells, but for
 * rounding where doubles are coarser than buckets: below 2^-1060 that may add half
 * of the smallest double.
 */
static inline double
grid_midpoint(int32_t index, int scale)
{
	int32_t		exponent;
	uint64_t	mantissa = grid_boundary(index, scale, &exponent) | GRID_NORMAL_BITS;
	double		result;

	result = ldexp((double) mantissa * grid_midpoints[scale - GRID_SCALE_MIN],
				   exponent - GRID_MANTISSA_BITS);
	return (result > 0.0) ? result : GRID_SMALLEST_DOUBLE;
}

/*
 * Largest relative error of a mid-point, (base - 1) / (base + 1), with 2^-50
 * on top for the rounding of the boundary, the mid-point and this difference.
 */
static inline double
grid_error(int scale)
{
	double		error = grid_midpoints[scale - GRID_SCALE_MIN] - 1.0 + 8.8817841970012523e-16;

	return (error < 1.0) ? error : 1.0;
}

#endif							/* USAGE_METER_SKETCH_GRID_H */
