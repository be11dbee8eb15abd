/*
 * Tasks that other threads ask for, see post.h.
 */
#include "core/post.h"

#include "core/alloc.h"
#include "core/runtime.h"
#include "core/task.h"

#include <aio/core.h>
#include <string.h>

/* A task on its way. */
struct posted {
    struct aio__mail mail; /* first member; then in the backlog */
    int (*fn)(void *arg);
    void *arg;
    struct aio_task_options options;
    char name[24];
};

static int posted_run(void *arg)
{
    struct posted *posted = arg;
    int (*fn)(void *) = posted->fn;
    void *fn_arg = posted->arg;
    aio__free(posted);
    return fn(fn_arg);
}

int aio__task_start_late(struct aio__core *core, struct aio_task **out, int (*fn)(void *arg),
                         void *arg, const struct aio_task_options *options)
{
    bool ending = core->ending;
    uint32_t limit = core->task_limit;
    core->ending = false;
    if (core->tasks_live == 1 && atomic_load(&core->refusing))
        core->task_limit = 2; /* the first task only waits for this one */
    int rc = aio__task_start(core, out, fn, arg, options);
    core->ending = ending;
    core->task_limit = limit;
    if (rc < 0)
        return rc;
    (*out)->detached = true;
    (*out)->canceled = ending;
    return 0;
}

static bool backlog_start_one(struct aio__core *core, struct posted *posted)
{
    struct aio_task *task;
    return aio__task_start_late(core, &task, posted_run, posted, &posted->options) == 0;
}

/* A stack of a size of its own may find no room where smaller ones do: it keeps nobody waiting. */
void aio__backlog_start(struct aio__core *core)
{
    size_t too_large = SIZE_MAX;
    struct aio__mail **at = &core->backlog;
    for (int32_t room = core->slice_limit; room > 0 && *at != NULL;) {
        struct posted *posted = (struct posted *)(void *)*at;
        struct aio__mail *next = posted->mail.next;
        size_t stack_bytes = posted->options.stack_bytes;
        if (stack_bytes < too_large && backlog_start_one(core, posted)) {
            *at = next;
            if (next == NULL)
                core->backlog_end = at;
            room--;
        } else if (stack_bytes == 0) {
            return;
        } else {
            too_large = stack_bytes < too_large ? stack_bytes : too_large;
            at = &posted->mail.next;
        }
    }
}

void aio__backlog_drop(struct aio__core *core)
{
    while (core->backlog != NULL) {
        struct posted *posted = (struct posted *)(void *)core->backlog;
        core->backlog = posted->mail.next;
        aio__free(posted);
    }
}

static void posted_deliver(struct aio__core *core, struct aio__mail *mail)
{
    mail->next = NULL;
    *core->backlog_end = mail;
    core->backlog_end = &mail->next;
}

static struct posted *posted_make(int (*fn)(void *arg), void *arg,
                                  const struct aio_task_options *options)
{
    struct posted *posted = aio__alloc_shared(sizeof *posted);
    if (posted == NULL)
        return NULL;
    posted->mail.deliver = posted_deliver;
    posted->fn = fn;
    posted->arg = arg;
    posted->options = options != NULL ? *options : AIO_TASK_OPTIONS;
    if (posted->options.name != NULL) {
        size_t length = strnlen(posted->options.name, sizeof posted->name - 1);
        memcpy(posted->name, posted->options.name, length);
        posted->name[length] = '\0';
        posted->options.name = posted->name;
    }
    return posted;
}

int aio__post_find(struct aio_runtime *runtime, uint32_t index, struct aio__core **out)
{
    if (index >= runtime->count)
        return -EINVAL;
    struct aio__core *core = &runtime->seats[index].core;
    if (atomic_load(&runtime->stage) != AIO__RUNTIME_OPEN || atomic_load(&core->refusing))
        return -ESHUTDOWN;
    *out = core;
    return 0;
}

static int posted_send(struct aio_runtime *runtime, uint32_t index, int (*fn)(void *arg), void *arg,
                       const struct aio_task_options *options)
{
    struct aio__core *core;
    int rc = aio__post_find(runtime, index, &core);
    if (rc < 0)
        return rc;
    struct posted *posted = posted_make(fn, arg, options);
    if (posted == NULL)
        return -ENOMEM;
    if (aio__mailbox_post(core->mailbox, &posted->mail))
        return 0;
    aio__free(posted);
    return -ESHUTDOWN;
}

int aio_runtime_post(struct aio_runtime *runtime, uint32_t core, int (*fn)(void *arg), void *arg)
{
    return aio__runtime_ours(runtime) ? posted_send(runtime, core, fn, arg, NULL) : -ESHUTDOWN;
}

int aio_core_spawn(uint32_t index, int (*fn)(void *arg), void *arg,
                   const struct aio_task_options *options)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    size_t stack_bytes;
    int rc = aio__task_check_options(options, &stack_bytes);
    if (rc < 0)
        return rc;
    if (index == core->index)
        return aio__task_start(core, NULL, fn, arg, options);
    if (stack_bytes != 0 && !aio__stack_fits(stack_bytes))
        return -ENOMEM; /* better told here than waited for there */
    return posted_send(core->runtime, index, fn, arg, options);
}

uint32_t aio_core_count(void)
{
    return AIO__CORE_OR_DIE()->runtime->count;
}

uint32_t aio_core_index(void)
{
    return AIO__CORE_OR_DIE()->index;
}
