/*-------------------------------------------------------------------------
 *
 * refusal.h
 *		Why something that was used is not accepted.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_PRICING_REFUSAL_H
#define USAGE_METER_PRICING_REFUSAL_H

#include "postgres.h"

/*
 * What an error would say.  It is noted where the caller has room for it, and
 * raised where there is none (NULL); noted, the routine goes on to its end, and
 * what it returns means nothing.
 */
typedef struct Refusal
{
	int			sqlstate;		/* 0: all is accepted */
	const char *message;
	const char *detail;
	const char *hint;
} Refusal;

static inline bool
is_refused(const Refusal *room)
{
	return room != NULL && room->sqlstate != 0;
}

extern void refuse(Refusal *room, Refusal refusal);

#endif							/* USAGE_METER_PRICING_REFUSAL_H */
