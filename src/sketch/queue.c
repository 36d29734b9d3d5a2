/*-------------------------------------------------------------------------
 *
 * queue.c
 *		Values on their way to more states than a core's cache holds.
 *
 * See queue.h for what it is.  Handing out asks for memory ahead of its use, in two
 * steps, since where the counts of a state are is known only when the state is here:
 * states a few entries before their turn, and the counts of those whose pending
 * values are complete a few such states before they are counted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "queue.h"

#include "nodes/memnodes.h"

/* Waiting values: 4 kB, so that they stay in the cache next to the core. */
#define QUEUE_ENTRIES_MAX	256

/* Requests for memory on their way: about as many as a core can have. */
#define STATES_AHEAD	16
#define FULL_STATES_MAX 16

typedef struct QueueEntry
{
	Datum		state;
	float8		value;
} QueueEntry;

struct SketchQueue
{
	MemoryContextCallback callback; /* of the context that it lives in */
	FmgrInfo   *site;			/* whose fn_extra points here */
	int32		count;			/* below QUEUE_ENTRIES_MAX */
	QueueEntry	entries[QUEUE_ENTRIES_MAX];
};

/* The states are about to go, and values with them that nobody asked for. */
static void
forget_queue(void *arg)
{
	SketchQueue *queue = arg;

	queue->site->fn_extra = NULL;
}

void
sketch_queue_start(FmgrInfo *site, MemoryContext states_context)
{
	SketchQueue *queue = MemoryContextAlloc(states_context, sizeof(SketchQueue));

	queue->callback.func = forget_queue;
	queue->callback.arg = queue;
	queue->site = site;
	queue->count = 0;
	MemoryContextRegisterResetCallback(states_context, &queue->callback);
	site->fn_extra = queue;
}

/* The object of an entry, found without a look at its memory. */
static inline ExpandedSketch *
entry_sketch(const QueueEntry *entry)
{
	return (ExpandedSketch *) (DatumGetPointer(entry->state) -
							   offsetof(ExpandedSketch, header.eoh_rw_ptr));
}

/* Objects may begin in the middle of a line of the cache. */
static inline void
prefetch_sketch(const ExpandedSketch *sketch)
{
	__builtin_prefetch(&sketch->pending_count, 1);
	__builtin_prefetch(&sketch->pending[0], 1);
	__builtin_prefetch(&sketch->pending[SKETCH_PENDING_MAX - 1], 1);
}

static inline void
prefetch_counts(const SketchCounts *counts)
{
	__builtin_prefetch(&counts->histogram, 1);
	__builtin_prefetch(&counts->histogram.negative, 1);
	__builtin_prefetch(&counts->encoding, 1);
}

static void
count_states(ExpandedSketch **sketches, int32 count)
{
	int32		i;

	for (i = 0; i < count; i++)
		sketch_count_pending(sketches[i]);
}

static void
drain(SketchQueue *queue)
{
	ExpandedSketch *full[FULL_STATES_MAX];
	int32		full_count = 0;
	int32		count = queue->count;
	int32		i;

	queue->count = 0;
	for (i = 0; i < Min(STATES_AHEAD, count); i++)
		prefetch_sketch(entry_sketch(&queue->entries[i]));

	for (i = 0; i < count; i++)
	{
		ExpandedSketch *sketch = entry_sketch(&queue->entries[i]);

		if (i + STATES_AHEAD < count)
			prefetch_sketch(entry_sketch(&queue->entries[i + STATES_AHEAD]));

		Assert(sketch->magic == EXPANDED_SKETCH_MAGIC);
		sketch_collect(sketch, queue->entries[i].value);
		if (sketch->pending_count < SKETCH_PENDING_MAX)
			continue;

		if (sketch->counts != NULL)
			prefetch_counts(sketch->counts);
		full[full_count++] = sketch;
		if (full_count == FULL_STATES_MAX)
		{
			count_states(full, full_count);
			full_count = 0;
		}
	}
	count_states(full, full_count);
}

void
sketch_queue_append(SketchQueue *queue, Datum state, float8 value)
{
	queue->entries[queue->count].state = state;
	queue->entries[queue->count].value = value;
	queue->count++;
	if (unlikely(queue->count == QUEUE_ENTRIES_MAX))
		drain(queue);
}

void
sketch_queue_drain_all(MemoryContext states_context)
{
	MemoryContextCallback *callback;

	for (callback = states_context->reset_cbs; callback != NULL; callback = callback->next)
	{
		if (callback->func == forget_queue)
			drain(callback->arg);
	}
}
