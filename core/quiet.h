/*
 * Deadlock: every core of a runtime is idle (core/mailbox.h), and nobody outside can change that.
 * Then the tasks are printed with what they wait for, all are cancelled, and the runtime's result
 * is -EDEADLK. Tasks that stand in shields even so are abandoned when it happens again.
 *
 * Outside are threads that hold a runtime (aio_runtime_hold), and channels between threads, by
 * which any thread can wake a task.
 */
#ifndef AIO_CORE_QUIET_H
#define AIO_CORE_QUIET_H

#include "core/core.h"

/* Something that lets any thread of the process wake a task comes into being, and goes. */
void aio__outside_enter(void);
void aio__outside_leave(void);

/* The process's list of runtimes. */
void aio__quiet_enter(struct aio_runtime *runtime);
void aio__quiet_leave(struct aio_runtime *runtime);

/* In a child of fork(2), where there is none. */
void aio__quiet_forked(void);

/* The core was the last active one of its runtime: is this a deadlock? Then every core is told. */
void aio__quiet_check(struct aio_runtime *runtime);

/* What a core does when it hears of a deadlock. */
void aio__quiet_break(struct aio__core *core);

/* Makes the runtime look again, after something outside has gone. */
void aio__quiet_again(struct aio_runtime *runtime);

#endif
