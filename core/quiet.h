/*
 * Deadlock: every core of a runtime is idle (core/mailbox.h), and nobody outside can change that.
 * Then the tasks are printed with what they wait for, all are cancelled, and the runtime's result
 * is -EDEADLK. Tasks that stand in shields even so are abandoned when it happens again.
 *
 * Outside are threads that hold a runtime (aio_runtime_hold), and channels between threads, by
 * which any thread can wake a task. They are counted with the cores that are not idle: of two
 * counters each could be 0 when it is looked at, and never both.
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

/* A core has brought the count of what is busy to 0: a deadlock, unless something has changed
 * again. Every core is told. */
void aio__quiet_check(struct aio_runtime *runtime);

/* What a core does when it hears of a deadlock. */
void aio__quiet_break(struct aio__core *core);

/* Makes the runtime look again, after something outside has gone. */
void aio__quiet_again(struct aio_runtime *runtime);

#endif
