/*
 * What core's files know of tasks beyond the public header: starting, ending, cancelling them.
 */
#ifndef AIO_CORE_TASK_H
#define AIO_CORE_TASK_H

#include "core/core.h"

#define AIO__CONTAINER(pointer, type, member)                                                      \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* A join in progress, in the joiner's frame. */
struct aio__join {
    struct aio_task *task;
    struct aio__wait wait;
};

/* Returns 0, with the bytes asked for or 0, or -EINVAL. */
int aio__task_check_options(const struct aio_task_options *options, size_t *stack_bytes);

/* Makes a task ready to run, see aio_task_spawn. */
int aio__task_start(struct aio__core *core, struct aio_task **out, int (*fn)(void *), void *arg,
                    const struct aio_task_options *options);

/* Gives the memory of a finished task back; it may be the one running, about to make its last
 * switch. */
void aio__task_free(struct aio__core *core, struct aio_task *task);

_Noreturn void aio__task_die_holding(const struct aio_task *task);

/* A task that ends must not hold a lock. */
static inline void aio__task_require_released(const struct aio_task *task)
{
    if (__builtin_expect((task->mutexes_held | task->rwlocks_held) != 0, 0))
        aio__task_die_holding(task);
}

/* Frees the finished tasks that nobody joined. */
void aio__task_reap_all(struct aio__core *core);

/* Marks the task and asks the wait it is in, if any, to end. */
void aio__task_interrupt(struct aio_task *task);

/* The same, and for the children of its scopes. */
void aio__task_cancel(struct aio_task *task);

/* Cancels every task but the caller. */
void aio__task_cancel_all(struct aio__core *core);

/* Dies when the calling task may not join that one. The entry of a select that something else has
 * decided does not join any more, and is put out. */
void aio__task_check_join(struct aio__core *core, struct aio_task *task, const char *function);
/* Destroys the calling task's locals, of which there are some. May suspend. */
void aio__locals_end(struct aio_task *task);

/* In a child of fork(2): nobody else is there. */
void aio__locals_forked(void);

/* The first function of every task. */
void aio__task_main(void);

#endif
