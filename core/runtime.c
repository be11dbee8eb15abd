/*
 * The life of a runtime: options, opening the core, the first task, ending and freeing everything.
 */
#include "core/alloc.h"
#include "core/core.h"
#include "core/handle.h"
#include "core/offload.h"
#include "core/overflow.h"
#include "core/task.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define RUNTIME_RING_ENTRIES 1024u
#define RUNTIME_TASK_LIMIT (4u * 1024 * 1024)
#define RUNTIME_STACK_CACHE 1024u
#define RUNTIME_OFFLOAD_THREADS 4u
#define RUNTIME_OFFLOAD_THREADS_MAX 1024u
#define RUNTIME_BUFFER_BYTES 16384u
#define RUNTIME_BUFFER_LIMIT 1024u
#define RUNTIME_STREAM_BUFFERS 16u
#define RUNTIME_FLAGS_KNOWN ((uint32_t)AIO_RUNTIME_NO_OVERFLOW_HANDLER)

/* Sanitizers need deeper frames. */
#if defined(AIO__ASAN) || defined(AIO__TSAN)
#define RUNTIME_STACK_BYTES ((size_t)256 * 1024)
#else
#define RUNTIME_STACK_BYTES ((size_t)64 * 1024)
#endif

/* A runtime in the frame of aio_runtime_run. */
struct runtime {
    struct aio__core core;
    struct aio__offload offload;
    struct aio__overflow overflow;
    struct aio_runtime_options options;
    int (*entry)(void *arg);
    void *arg;
};

static const char *runtime_text_option(const char *option, const char *variable,
                                       const char *fallback)
{
    if (option != NULL)
        return option;
    const char *value = getenv(variable);
    return value != NULL && value[0] != '\0' ? value : fallback;
}

static int runtime_bad_option(const char *name, const char *choices)
{
    aio__log_error("aio_runtime_options.%s is out of range: choose %s", name, choices);
    return -EINVAL;
}

static int runtime_check_ring_entries(uint32_t entries)
{
    if (entries < 8 || entries > 32768 || (entries & (entries - 1)) != 0)
        return runtime_bad_option("ring_entries", "a power of two from 8 to 32768");
    return 0;
}

static int runtime_settle_buffers(struct aio_runtime_options *options)
{
    if (options->buffer_bytes == 0)
        options->buffer_bytes = RUNTIME_BUFFER_BYTES;
    if (options->buffer_limit == 0)
        options->buffer_limit = RUNTIME_BUFFER_LIMIT;
    if (options->stream_buffers == 0)
        options->stream_buffers = RUNTIME_STREAM_BUFFERS;
    if (options->buffer_bytes < 64 || options->buffer_bytes > 16 * 1024 * 1024)
        return runtime_bad_option("buffer_bytes", "64 to 16777216");
    if (options->buffer_limit > 65536)
        return runtime_bad_option("buffer_limit", "1 to 65536");
    return 0;
}

/* Fills in the defaults and refuses what cannot be meant. */
static int runtime_settle_options(struct aio_runtime_options *options)
{
    if (options->stack_bytes == 0)
        options->stack_bytes = RUNTIME_STACK_BYTES;
    if (options->ring_entries == 0)
        options->ring_entries = RUNTIME_RING_ENTRIES;
    if (options->task_limit == 0)
        options->task_limit = RUNTIME_TASK_LIMIT;
    if (options->stack_cache == 0)
        options->stack_cache = RUNTIME_STACK_CACHE;
    if (options->offload_threads == 0)
        options->offload_threads = RUNTIME_OFFLOAD_THREADS;
    options->backend = runtime_text_option(options->backend, "AIO_BACKEND", "auto");
    options->caps = runtime_text_option(options->caps, "AIO_CAPS", "all");
    if (options->offload_threads > RUNTIME_OFFLOAD_THREADS_MAX)
        return runtime_bad_option("offload_threads", "1 to 1024");
    if ((options->flags & ~RUNTIME_FLAGS_KNOWN) != 0)
        return runtime_bad_option("flags", "bits of enum aio_runtime_flags");
    if (aio__stack_round(options->stack_bytes, &options->stack_bytes) < 0)
        return runtime_bad_option("stack_bytes", "16384 to 1073741824");
    if (runtime_settle_buffers(options) < 0)
        return -EINVAL;
    return runtime_check_ring_entries(options->ring_entries);
}

static int runtime_read_options(struct runtime *runtime, const struct aio_runtime_options *options)
{
    int rc = aio__log_open();
    if (rc < 0)
        return rc;
    if (options != NULL && options->size != sizeof *options)
        return runtime_bad_option("size",
                                  "sizeof(struct aio_runtime_options), see AIO_RUNTIME_OPTIONS");
    runtime->options = options != NULL ? *options : AIO_RUNTIME_OPTIONS;
    return runtime_settle_options(&runtime->options);
}

/* The first task: the entry, and after it the end of everything that is left. */
static int runtime_root(void *arg)
{
    struct runtime *runtime = arg;
    struct aio__core *core = &runtime->core;
    int result = runtime->entry(runtime->arg);
    struct aio_shield shield;
    aio_shield_enter(&shield);
    core->ending = true;
    aio__task_cancel_all(core);
    if (core->tasks_live > 1) {
        struct aio__wait wait = {.abort = NULL, .what = "runtime end"};
        core->last_task = &wait;
        (void)aio__park(core, &wait);
        core->last_task = NULL;
    }
    aio__handle_close_all(core);
    aio_shield_leave(&shield);
    core->finished = true;
    return result;
}

static int runtime_open_backend(struct runtime *runtime)
{
    struct aio__core *core = &runtime->core;
    struct aio__backend_params params = {
        .ring_entries = runtime->options.ring_entries,
        .caps = runtime->options.caps,
        .offload = &runtime->offload.port,
        .buffers = &core->buffers,
        .explain = &core->explain,
    };
    int rc = aio__backend_choose(&core->backend, runtime->options.backend, &params);
    core->mailbox.backend = core->backend;
    return rc;
}

static int runtime_open_overflow(struct runtime *runtime)
{
    if ((runtime->options.flags & AIO_RUNTIME_NO_OVERFLOW_HANDLER) != 0)
        return 0;
    return aio__overflow_open(&runtime->overflow);
}

/* A child of fork(2) shares the parent's ring or epoll, and must not touch it. */
static void runtime_forked(void)
{
    aio__core_current = NULL;
}

static void runtime_watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, runtime_forked);
}

static int runtime_open(struct runtime *runtime)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct aio__core *core = &runtime->core;
    (void)pthread_once(&once, runtime_watch_forks);
    core->slice_limit = AIO__SLICE_MAX;
    core->offload = &runtime->offload;
    core->task_limit = runtime->options.task_limit;
    aio__buffers_open(&core->buffers, runtime->options.buffer_bytes, runtime->options.buffer_limit,
                      runtime->options.stream_buffers);
    aio__stack_pool_open(&core->stacks, runtime->options.stack_bytes, runtime->options.stack_cache);
    int rc = aio__offload_open(&runtime->offload, &core->mailbox, runtime->options.offload_threads);
    if (rc < 0)
        return rc;
    rc = runtime_open_backend(runtime);
    if (rc < 0)
        goto close_offload;
    rc = runtime_open_overflow(runtime);
    if (rc < 0)
        goto close_backend;
    rc = aio__task_start(core, &core->root, runtime_root, runtime, NULL);
    if (rc == 0)
        return 0;
    aio__overflow_close(&runtime->overflow);
close_backend:
    core->backend->vtable->close(core->backend);
close_offload:
    aio__offload_close(&runtime->offload);
    return rc;
}

static void runtime_close(struct runtime *runtime)
{
    struct aio__core *core = &runtime->core;
    AIO__REQUIRE(core->ops_pending == 0, "a runtime ends with %u operations pending",
                 core->ops_pending);
    if (core->cleanup != NULL)
        core->cleanup(core);
    aio__offload_close(&runtime->offload);
    core->backend->vtable->close(core->backend);
    aio__task_reap_all(core);
    aio__overflow_close(&runtime->overflow);
}

/* Buffers that the program did not release are freed all the same, but it is told. */
static void runtime_free_buffers(struct aio__core *core)
{
    uint32_t held = aio__buffers_close(&core->buffers);
#if defined(AIO_DEBUG) && AIO_DEBUG
    if (held > 0)
        aio__log_warn("a runtime ends with %u rented buffers not released", held);
#else
    (void)held;
#endif
}

static void runtime_free(struct runtime *runtime)
{
    runtime_free_buffers(&runtime->core);
    aio__spare_free(&runtime->core.spare_outboxes);
    aio__heap_free(&runtime->core.timers);
    aio__stack_pool_close(&runtime->core.stacks);
    aio__free(runtime);
}

static int runtime_serve(struct runtime *runtime)
{
    struct aio__core *core = &runtime->core;
    int rc = runtime_open(runtime);
    if (rc < 0)
        return rc;
    aio__core_current = core;
    (void)memcpy(core->root->name, "main", sizeof "main");
    aio__loop_run(core);
    int result = core->root->result;
    runtime_close(runtime);
    aio__core_current = NULL;
    return result;
}

int aio_runtime_run(const struct aio_runtime_options *options, int (*entry)(void *arg), void *arg)
{
    if (aio__core_current != NULL)
        return -EBUSY;
    struct runtime *runtime = aio__alloc_zero(sizeof *runtime);
    if (runtime == NULL)
        return -ENOMEM;
    runtime->entry = entry;
    runtime->arg = arg;
    int rc = runtime_read_options(runtime, options);
    if (rc == 0)
        rc = runtime_serve(runtime);
    runtime_free(runtime);
    return rc;
}

struct runtime_main {
    int argc;
    char **argv;
    int (*body)(int argc, char **argv);
    bool started;
};

static int runtime_main_entry(void *arg)
{
    struct runtime_main *main = arg;
    main->started = true;
    return main->body(main->argc, main->argv);
}

int aio_runtime_main(int argc, char **argv, int (*body)(int argc, char **argv))
{
    struct runtime_main main = {argc, argv, body, false};
    int rc = aio_runtime_run(NULL, runtime_main_entry, &main);
    if (!main.started)
        return aio_error_exit(rc, "aio: cannot start");
    return rc >= 0 && rc <= 255 ? rc : 1;
}
