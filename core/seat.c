/*
 * Opening and closing of one core, on its own thread.
 */
#include "core/runtime.h"

#include "core/handle.h"
#include "core/memory.h"
#include "core/post.h"
#include "core/quiet.h"
#include "core/task.h"

static int seat_open_backend(struct aio_runtime *runtime, struct aio__seat *seat)
{
    struct aio__core *core = &seat->core;
    struct aio__backend_params params = {
        .ring_entries = runtime->options.ring_entries,
        .ring_workers = runtime->options.ring_workers,
        .caps = runtime->options.caps,
        .offload = &seat->offload.port,
        .buffers = &core->buffers,
        .explain = &core->explain,
    };
    int rc = aio__backend_choose(&core->backend, runtime->options.backend, &params);
    core->mailbox->backend = core->backend;
    if (rc == 0)
        aio__explain_add(
            &core->explain,
            "offload pool, up to %u threads: calls; of files stat (in place on a local disk), "
            "truncate, allocate, advise, chmod, chown, utime, lock, seek to data or the end, close "
            "where it may wait; of paths all: stat, access, rename, link, symlink, readlink, "
            "unlink, mkdir, rmdir, remove, chmod, chown, utime, copy of xattrs, mkstemp, mkdtemp, "
            "tmpfile, publish; directories, walks, whole files, copies; spawning, adding watches, "
            "opening FIFOs, splices of files and devices, what blocks on terminals and sockets "
            "that linger\n",
            runtime->options.offload_threads);
    return rc;
}

static int seat_open_overflow(struct aio_runtime *runtime, struct aio__seat *seat)
{
    bool report = (runtime->options.flags & AIO_RUNTIME_NO_OVERFLOW_HANDLER) == 0;
    return aio__overflow_open(&seat->overflow, report);
}

static void seat_init(struct aio_runtime *runtime, struct aio__seat *seat)
{
    struct aio__core *core = &seat->core;
    core->runtime = runtime;
    core->index = (uint32_t)(seat - runtime->seats);
    core->slice_limit = AIO__SLICE_MAX;
    core->offload = &seat->offload;
    core->task_limit = runtime->options.task_limit;
    core->resting = runtime->hosted;
    core->backlog_end = &core->backlog;
    aio__stop_open(core);
    aio__stack_pool_open(&core->stacks, runtime->options.stack_bytes, runtime->options.stack_cache);
    core->stacks.memory = core->memory;
    aio__buffers_open(&core->buffers, runtime->options.buffer_bytes, runtime->options.buffer_limit,
                      runtime->options.stream_buffers);
    core->buffers.account = core->memory;
}

static void seat_open_offload(struct aio_runtime *runtime, struct aio__seat *seat)
{
    const struct aio__offload_limits limits = {
        .threads = runtime->options.offload_threads,
        .queue = runtime->options.offload_queue,
        .idle_ns = runtime->options.offload_idle_ns,
        .runtime = runtime,
    };
    aio__offload_open(&seat->offload, seat->core.mailbox, &limits);
}

/* Buffers that the program did not release are freed all the same, but it is told. */
static void seat_free_buffers(struct aio__core *core)
{
    uint32_t held = aio__buffers_close(&core->buffers);
#if defined(AIO_DEBUG) && AIO_DEBUG
    if (held > 0)
        aio__log_warn("a runtime ends with %u rented buffers not released", held);
#else
    (void)held;
#endif
}

/* The last of what is the core's own. */
static void seat_free_memory(struct aio__core *core)
{
    seat_free_buffers(core);
    aio__spare_free(&core->spare_outboxes);
    aio__heap_free(&core->timers);
    aio__stack_pool_close(&core->stacks);
    aio__memory_close(core->memory);
    aio__core_current = NULL;
}

static int seat_open_rest(struct aio_runtime *runtime, struct aio__seat *seat)
{
    struct aio__core *core = &seat->core;
    seat_open_offload(runtime, seat);
    int rc = seat_open_backend(runtime, seat);
    if (rc < 0)
        goto close_offload;
    rc = seat_open_overflow(runtime, seat);
    if (rc < 0)
        goto close_backend;
    rc = aio__root_start(core);
    if (rc == 0)
        return 0;
    aio__overflow_close(&seat->overflow);
close_backend:
    core->backend->vtable->close(core->backend);
close_offload:
    aio__offload_close(&seat->offload);
    return rc;
}

int aio__seat_open(struct aio_runtime *runtime, struct aio__seat *seat)
{
    const struct aio_runtime_options *options = &runtime->options;
    struct aio__core *core = &seat->core;
    int rc = aio__memory_open(&core->memory, &options->allocator, options->memory_limit);
    if (rc < 0)
        return rc;
    aio__core_current = core; /* from here to the close the thread's memory is the core's */
    seat_init(runtime, seat);
    rc = seat_open_rest(runtime, seat);
    if (rc < 0)
        seat_free_memory(core);
    return rc;
}

/* A deadlock among shielded tasks leaves handles that no task can close any more, and tasks that
 * never found room. */
static void seat_drop_handles(struct aio__core *core)
{
    while (core->handles != NULL)
        aio__handle_finish(core->handles);
}

void aio__cleanup_add(struct aio__core *core, struct aio__cleanup *cleanup)
{
    cleanup->prev = NULL;
    cleanup->next = core->cleanups;
    if (core->cleanups != NULL)
        core->cleanups->prev = cleanup;
    core->cleanups = cleanup;
}

void aio__cleanup_remove(struct aio__core *core, struct aio__cleanup *cleanup)
{
    if (cleanup->prev == NULL)
        core->cleanups = cleanup->next;
    else
        cleanup->prev->next = cleanup->next;
    if (cleanup->next != NULL)
        cleanup->next->prev = cleanup->prev;
}

static void seat_clean_up(struct aio__core *core)
{
    struct aio__cleanup *cleanup;
    while ((cleanup = core->cleanups) != NULL) {
        aio__cleanup_remove(core, cleanup);
        cleanup->run(core, cleanup);
    }
}

void aio__seat_close(struct aio__seat *seat)
{
    struct aio__core *core = &seat->core;
    AIO__REQUIRE(core->ops_pending == 0, "a runtime ends with %u operations pending",
                 core->ops_pending);
    seat_drop_handles(core);
    aio__pipe_close_all(core);
    aio__held_give(core);
    aio__backlog_drop(core);
    seat_clean_up(core);
    if (core->resolver != NULL)
        core->resolver_close(core);
    aio__offload_close(&seat->offload);
    core->backend->vtable->close(core->backend);
    aio__task_reap_all(core);
    aio__overflow_close(&seat->overflow);
    seat_free_memory(core);
}
