/*-------------------------------------------------------------------------
 *
 * uuid.c
 *		UUIDs of version 7: identifiers in order of creation.
 *
 * RFC 9562, section 5.7, with the sub-millisecond precision of its section 6.2,
 * method 3: 48 bits of Unix milliseconds, version, 12 bits that divide the
 * millisecond by 4096, variant, 62 random bits.  New rows therefore meet in the
 * rightmost page of an index; a random key makes bulk loads up to twice as slow.
 *
 * Within one backend the first 60 bits strictly increase, also when the clock
 * stands still or goes back: then they count on from the last value.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "fmgr.h"
#include "port/pg_bswap.h"
#include "utils/uuid.h"

#define UUID_FRACTION_BITS	12

/* Random bytes are drawn from the system in pools: one call for many ids. */
#define UUID_RANDOM_BYTES	8
#define UUID_RANDOM_POOL	(64 * UUID_RANDOM_BYTES)

PG_FUNCTION_INFO_V1(uuid_v7);

/* Milliseconds since 1970 and, below them, 4096ths of a millisecond. */
static uint64
next_tick(void)
{
	static uint64 last_tick = 0;
	struct timespec now;
	uint64		tick;

	clock_gettime(CLOCK_REALTIME, &now);
	tick = ((uint64) now.tv_sec * 1000 + now.tv_nsec / 1000000) << UUID_FRACTION_BITS;
	tick |= ((uint64) (now.tv_nsec % 1000000) << UUID_FRACTION_BITS) / 1000000;

	last_tick = Max(tick, last_tick + 1);
	return last_tick;
}

static void
random_bytes(unsigned char *bytes)
{
	static unsigned char pool[UUID_RANDOM_POOL];
	static size_t used = UUID_RANDOM_POOL;

	if (used == UUID_RANDOM_POOL)
	{
		if (!pg_strong_random(pool, UUID_RANDOM_POOL))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate random values")));
		used = 0;
	}
	memcpy(bytes, pool + used, UUID_RANDOM_BYTES);
	used += UUID_RANDOM_BYTES;
}

Datum
uuid_v7(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *uuid = palloc(sizeof(pg_uuid_t));
	uint64		tick = next_tick();
	uint64		high;

	high = pg_hton64((tick >> UUID_FRACTION_BITS) << 16 |
					 UINT64CONST(7) << UUID_FRACTION_BITS |
					 (tick & ((1 << UUID_FRACTION_BITS) - 1)));
	memcpy(uuid->data, &high, sizeof(high));
	random_bytes(uuid->data + sizeof(high));
	uuid->data[8] = (uuid->data[8] & 0x3F) | 0x80;	/* variant 10 */

	PG_RETURN_UUID_P(uuid);
}
