/*
 * What readers and writers share: the memory of their buffer, and that one task at a time is in it.
 */
#ifndef AIO_NET_BUFFERED_H
#define AIO_NET_BUFFERED_H

#include "core/alloc.h"
#include "core/core.h"

#include <aio/buffered.h>

/* The caller's memory, or our own where he has none. Returns 0; -EINVAL; -ENOMEM. */
static inline int aio__buffer_open(char **out, void *memory, size_t *size, bool *owned)
{
    *owned = memory == NULL;
    if (memory == NULL && *size == 0)
        *size = AIO_BUFFERED_BYTES;
    if (*size == 0)
        return -EINVAL;
    *out = memory != NULL ? memory : aio__alloc(*size);
    return *out != NULL ? 0 : -ENOMEM;
}

/* Begins a call of the calling task. Returns what is pending for it. */
static inline int aio__buffer_enter(void **user, const char *function)
{
    struct aio__core *core = aio__core_or_die(function);
    AIO__REQUIRE(*user == NULL, "%s: task '%s' is in a call on it already", function,
                 aio_task_name(*user));
    int rc = aio__interrupted(core);
    if (rc == 0)
        *user = core->current;
    return rc;
}

static inline void aio__buffer_leave(void **user)
{
    *user = NULL;
}

#endif
