/*-------------------------------------------------------------------------
 *
 * compat.h
 *		The differences between the PostgreSQL versions that are served.
 *
 * Every test of PG_VERSION_NUM in the tree stands here, beside the change in
 * core that it adapts to.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_COMPAT_H
#define USAGE_METER_COMPAT_H

#include "postgres.h"

#include "storage/proc.h"

#if PG_VERSION_NUM < 150000
#error "Unsupported PostgreSQL version: usage_meter needs PostgreSQL 15 or later"
#endif

/* 16 took the macros of varlena values out of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 16 has one function for the owner of any object. */
#if PG_VERSION_NUM >= 160000
#define relation_ownercheck(relation, role) object_ownercheck(RelationRelationId, relation, role)
#else
#define relation_ownercheck(relation, role) pg_class_ownercheck(relation, role)
#endif

/* 17 moved PGPROC.lxid into PGPROC.vxid. */
#if PG_VERSION_NUM >= 170000
#define MyLocalTransactionId (MyProc->vxid.lxid)
#else
#define MyLocalTransactionId (MyProc->lxid)
#endif

#endif							/* USAGE_METER_COMPAT_H */
