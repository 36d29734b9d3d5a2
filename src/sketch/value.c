/*-------------------------------------------------------------------------
 *
 * value.c
 *		The sketch of one value.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "sketch.h"

PG_FUNCTION_INFO_V1(sketch_value);

/*
 * value_sketch(float8) returns quantile_sketch
 *
 * Without extremes, as sums from which values are taken away again must be.  A
 * NULL gives the empty sketch.
 */
Datum
sketch_value(PG_FUNCTION_ARGS)
{
	Histogram	empty;

	if (!PG_ARGISNULL(0))
		PG_RETURN_DATUM(sketch_encode_value(PG_GETARG_FLOAT8(0), 1));
	sketch_init_signed(&empty, CurrentMemoryContext);
	PG_RETURN_DATUM(sketch_encode_datum(&empty));
}
