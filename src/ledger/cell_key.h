/*-------------------------------------------------------------------------
 *
 * cell_key.h
 *		What a cell is found by while cells are summed in memory: its bucket, then
 *		its dimensions, laid out as in a tuple, so that a tuple can be made of them
 *		where they are.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_LEDGER_CELL_KEY_H
#define USAGE_METER_LEDGER_CELL_KEY_H

#include "postgres.h"

#include "access/tupmacs.h"
#include "catalog/pg_type_d.h"
#include "common/hashfn.h"
#include "datatype/timestamp.h"
#include "lib/stringinfo.h"

#include "compat.h"

typedef struct CellKey
{
	const char *bytes;
	uint32		length;
} CellKey;

/* A key is made in a buffer: the bucket first, then each dimension in order. */
extern void cell_key_begin(StringInfo key, TimestampTz bucket);
extern void cell_key_append(StringInfo key, const text *value);

static inline TimestampTz
cell_key_bucket(const CellKey *key)
{
	TimestampTz bucket;

	memcpy(&bucket, key->bytes, sizeof(bucket));
	return bucket;
}

/* The dimension at an offset, which is moved on to the next; begin at that of the first. */
#define CELL_KEY_FIRST	sizeof(TimestampTz)

static inline const char *
cell_key_next(const CellKey *key, uint32 *offset)
{
	const char *value;

	*offset = att_align_pointer(*offset, TYPALIGN_INT, -1, key->bytes + *offset);
	value = key->bytes + *offset;
	*offset = att_addlength_pointer(*offset, -1, value);
	return value;
}

static inline uint32
cell_key_hash(CellKey key)
{
	return hash_bytes((const unsigned char *) key.bytes, key.length);
}

static inline bool
cell_key_equal(CellKey a, CellKey b)
{
	return a.length == b.length && memcmp(a.bytes, b.bytes, a.length) == 0;
}

#endif							/* USAGE_METER_LEDGER_CELL_KEY_H */
