/*
 * System calls that wait: a function on a thread of the offload pool, which returns >= 0 or -errno.
 */
#ifndef AIO_FS_CALL_H
#define AIO_FS_CALL_H

#include <aio/offload.h>
#include <aio/task.h>
#include <errno.h>

/* Returns what fn has; or why it did not run, see aio_offload_call. */
static inline int aio__fs_call(int (*fn)(void *arg), void *arg)
{
    int result = 0;
    int rc = aio_offload_call(fn, arg, &result);
    return rc < 0 ? rc : result;
}

/* For what must be cleaned up whatever has happened: on this thread if no other is to be had. */
static inline void aio__fs_clean(int (*fn)(void *arg), void *arg)
{
    struct aio_shield shield;
    aio_shield_enter(&shield);
    if (aio_offload_call(fn, arg, NULL) < 0)
        (void)fn(arg);
    aio_shield_leave(&shield);
}

/* The result of a system call. */
static inline int aio__fs_result(int rc)
{
    return rc < 0 ? -errno : rc;
}

#endif
