/*-------------------------------------------------------------------------
 *
 * cell_key.c
 *		Making the key of a cell.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "ledger/cell_key.h"

void
cell_key_begin(StringInfo key, TimestampTz bucket)
{
	resetStringInfo(key);
	appendBinaryStringInfo(key, (const char *) &bucket, sizeof(bucket));
}

/* A text with a header of one byte or, aligned, of four; NULL is ''. */
void
cell_key_append(StringInfo key, const text *value)
{
	int			length = value != NULL ? VARSIZE_ANY_EXHDR(value) : 0;

	enlargeStringInfo(key, ALIGNOF_INT + VARHDRSZ + length);
	if (length + VARHDRSZ_SHORT <= VARATT_SHORT_MAX)
	{
		SET_VARSIZE_SHORT(key->data + key->len, length + VARHDRSZ_SHORT);
		key->len += VARHDRSZ_SHORT;
	}
	else
	{
		while (key->len % ALIGNOF_INT != 0)
			key->data[key->len++] = '\0';
		SET_VARSIZE(key->data + key->len, length + VARHDRSZ);
		key->len += VARHDRSZ;
	}
	if (length > 0)
		memcpy(key->data + key->len, VARDATA_ANY(value), length);
	key->len += length;
}
