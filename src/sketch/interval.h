/*-------------------------------------------------------------------------
 *
 * interval.h
 *		Intervals as seconds, which is how a sketch holds them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_SKETCH_INTERVAL_H
#define USAGE_METER_SKETCH_INTERVAL_H

#include "postgres.h"

#include "utils/timestamp.h"

extern double interval_to_seconds(const Interval *interval);
extern Interval *interval_from_seconds(double seconds);

#endif							/* USAGE_METER_SKETCH_INTERVAL_H */
