/*
 * Tasks that other threads ask for. What was accepted runs: where there is no room for another task
 * it waits in the core's backlog, and where the core is ending it starts cancelled.
 */
#ifndef AIO_CORE_POST_H
#define AIO_CORE_POST_H

#include "core/core.h"

/*
 * Starts what waits in the backlog, as far as there is room, and no more of it than a slice runs:
 * however much others send, the tasks that are ready have their turn. On the core's thread.
 */
void aio__backlog_start(struct aio__core *core);

/* Drops what waits in the backlog of a core whose tasks were abandoned. */
void aio__backlog_drop(struct aio__core *core);

/*
 * Makes a detached task, also on a core that takes no new ones: it is cancelled there from the
 * start. Returns 0 or as aio_task_spawn. *out is valid until the task has run.
 */
int aio__task_start_late(struct aio__core *core, struct aio_task **out, int (*fn)(void *arg),
                         void *arg, const struct aio_task_options *options);

/* The core that may be sent something now. Returns 0; -EINVAL; -ESHUTDOWN. */
int aio__post_find(struct aio_runtime *runtime, uint32_t index, struct aio__core **out);

#endif
