/*
 * <aio/local.h>: values that belong to a task: what thread-local variables are to threads.
 *
 *     static struct aio_local_key request_id = AIO_LOCAL_KEY_INIT(free);
 *
 *     if (aio_local_set(&request_id, strdup(text)) < 0) ...
 *     log_line(aio_local_get(&request_id), ...);
 *
 * A task that sets none pays nothing. A get is an index into the task's table.
 */
#ifndef AIO_LOCAL_H
#define AIO_LOCAL_H

#include <aio/base.h>

AIO_BEGIN_DECLS

/* Keys that a process can have. */
#define AIO_LOCAL_KEYS_MAX 1024

/* Times that the destructors of a task run as long as they set values again. */
#define AIO_LOCAL_ROUNDS_MAX 4

/*
 * A key, the same for all tasks of all runtimes: static, or filled in at run time with
 * AIO_LOCAL_KEY_INIT before the first use. Once a value was set it is in use for ever: its place is
 * not given back, and it must stay where it is and not be copied.
 */
struct aio_local_key {
    void (*destroy)(void *value);
    unsigned index; /* private */
};

/*
 * destroy_function is called with each value that is not NULL when its task has returned; NULL: it
 * is nobody's business. It runs in the task, before the joiner wakes, under a shield: it may
 * suspend, and neither cancellation nor deadlines reach it. Values of other keys are destroyed in
 * no stated order.
 */
#define AIO_LOCAL_KEY_INIT(destroy_function)                                                       \
    {                                                                                              \
        (destroy_function), 0                                                                      \
    }

/*
 * aio_local_set gives the calling task a value for the key. The value before is not destroyed; NULL
 * takes it away.
 *
 * Suspends:  never.
 * Context:   a task. Tasks of several threads may set the same new key at once.
 * Lifetime:  key until the process ends; value as its destructor decides.
 * Returns:   0; -ENOMEM; -EAGAIN when AIO_LOCAL_KEYS_MAX keys are in use. The value before is still
 *            there then. Setting a key that has a value in this task cannot fail.
 */
AIO_API AIO_NODISCARD int aio_local_set(struct aio_local_key *key, void *value);

/*
 * aio_local_get gives the calling task's value for the key.
 *
 * Suspends:  never.
 * Context:   a task.
 * Returns:   the value that this task has set; NULL when it has set none.
 */
AIO_API void *aio_local_get(const struct aio_local_key *key);

AIO_END_DECLS

#endif
