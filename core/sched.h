/*
 * The loop, for those who run it.
 */
#ifndef AIO_CORE_SCHED_H
#define AIO_CORE_SCHED_H

#include "core/core.h"

/* Turns until the core has finished. */
void aio__loop_run(struct aio__core *core);

/* One turn, without waiting, for a core whose loop is somebody else's. */
void aio__loop_enter(struct aio__core *core);

/* Whether nothing is ready to run. */
bool aio__loop_quiet(const struct aio__core *core);

/* Announces the sleep of a core that is quiet. Returns until when: 0, for not at all, when there is
 * mail. */
int64_t aio__loop_sleep(struct aio__core *core);

#endif
