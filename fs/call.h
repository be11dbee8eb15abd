/*
 * System calls that wait: a function on a thread of the offload pool, which returns >= 0 or -errno.
 */
#ifndef AIO_FS_CALL_H
#define AIO_FS_CALL_H

#include <aio/offload.h>
#include <aio/task.h>
#include <aio/time.h>
#include <errno.h>
#include <fcntl.h>

/* Between tries to open a file that somebody has a lease on. */
#define AIO__FS_LEASE_PAUSE_NS AIO_MS(2)
/* No system call returns it here. */
#define AIO__FS_LEASED 1

/* Returns what fn has; or why it did not run, see aio_offload_call. */
static inline int aio__fs_call(int (*fn)(void *arg), void *arg)
{
    int result = 0;
    int rc = aio_offload_call(fn, arg, &result);
    return rc < 0 ? rc : result;
}

/*
 * Opens what should be a file, for reading; if it is something else, no peer is waited for. On any
 * thread. Returns 0 with *fd set; -errno; AIO__FS_LEASED when somebody has a lease on it, who has
 * been told and will give it up.
 */
static inline int aio__fs_open(int *fd, int at, const char *path, int flags)
{
    *fd = openat(at, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);
    if (*fd >= 0)
        return 0;
    return errno == EAGAIN ? AIO__FS_LEASED : -errno;
}

/* aio__fs_call of a function that opens in this way, made again for as long as there is a lease. */
static inline int aio__fs_call_open(int (*fn)(void *arg), void *arg)
{
    int rc = aio__fs_call(fn, arg);
    while (rc == AIO__FS_LEASED) {
        rc = aio_time_sleep(AIO__FS_LEASE_PAUSE_NS);
        if (rc == 0)
            rc = aio__fs_call(fn, arg);
    }
    return rc;
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
