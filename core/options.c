/*
 * Options of a runtime: their limits, their defaults, and what the environment says.
 */
#include "core/runtime.h"

#include <stdlib.h>
#include <string.h>

#define OPTIONS_RING_ENTRIES 1024u
#define OPTIONS_RING_WORKERS 16u
#define OPTIONS_RING_WORKERS_MAX 1024u
#define OPTIONS_TASK_LIMIT (4u * 1024 * 1024)
#define OPTIONS_STACK_CACHE 1024u
#define OPTIONS_OFFLOAD_THREADS 4u
#define OPTIONS_OFFLOAD_THREADS_MAX 1024u
#define OPTIONS_OFFLOAD_QUEUE 1024u
#define OPTIONS_OFFLOAD_IDLE_NS AIO_SEC(10)
#define OPTIONS_BUFFER_BYTES 16384u
#define OPTIONS_BUFFER_BYTES_MAX (16u * 1024 * 1024)
#define OPTIONS_BUFFER_LIMIT 1024u
#define OPTIONS_BUFFER_LIMIT_MAX 65536u
#define OPTIONS_STREAM_BUFFERS 16u
#define OPTIONS_FLAGS_KNOWN                                                                        \
    ((uint32_t)AIO_RUNTIME_NO_OVERFLOW_HANDLER | (uint32_t)AIO_RUNTIME_NO_PINNING |                \
     (uint32_t)AIO_RUNTIME_UNHELD)

/* Sanitizers need deeper frames. */
#if defined(AIO__ASAN) || defined(AIO__TSAN)
#define OPTIONS_STACK_BYTES ((size_t)256 * 1024)
#else
#define OPTIONS_STACK_BYTES ((size_t)64 * 1024)
#endif

static int options_bad(const char *name, const char *choices)
{
    aio__log_error("aio_runtime_options.%s is out of range: choose %s", name, choices);
    return -EINVAL;
}

/* Copies an option, or what the environment says in its place. Returns 0; -EINVAL: too long. */
static int options_text(char *out, size_t size, const char *option, const char *variable,
                        const char *fallback)
{
    const char *text = option;
    if (text == NULL)
        text = getenv(variable);
    if (text == NULL || (option == NULL && text[0] == '\0'))
        text = fallback;
    size_t length = strlen(text);
    if (length >= size) {
        aio__log_error("%s is too long", variable);
        return -EINVAL;
    }
    memcpy(out, text, length + 1);
    return 0;
}

static int options_texts(struct aio_runtime *runtime, const struct aio_runtime_options *options)
{
    int rc = options_text(runtime->backend, sizeof runtime->backend, options->backend,
                          "AIO_BACKEND", "auto");
    if (rc == 0)
        rc = options_text(runtime->caps, sizeof runtime->caps, options->caps, "AIO_CAPS", "all");
    runtime->options.backend = runtime->backend;
    runtime->options.caps = runtime->caps;
    return rc;
}

static void options_default(uint32_t *option, uint32_t value)
{
    if (*option == 0)
        *option = value;
}

static int options_check(struct aio_runtime_options *options)
{
    uint32_t entries = options->ring_entries;
    if (options->offload_threads > OPTIONS_OFFLOAD_THREADS_MAX)
        return options_bad("offload_threads", "1 to 1024");
    if (options->offload_idle_ns < 0)
        return options_bad("offload_idle_ns", "a length of time");
    if ((options->flags & ~OPTIONS_FLAGS_KNOWN) != 0)
        return options_bad("flags", "bits of enum aio_runtime_flags");
    if (aio__stack_round(options->stack_bytes, &options->stack_bytes) < 0)
        return options_bad("stack_bytes", "16384 to 1073741824");
    if (entries < 8 || entries > 32768 || (entries & (entries - 1)) != 0)
        return options_bad("ring_entries", "a power of two from 8 to 32768");
    if (options->ring_workers > OPTIONS_RING_WORKERS_MAX)
        return options_bad("ring_workers", "1 to 1024");
    if (options->buffer_bytes < 64 || options->buffer_bytes > OPTIONS_BUFFER_BYTES_MAX)
        return options_bad("buffer_bytes", "64 to 16777216");
    if (options->buffer_limit > OPTIONS_BUFFER_LIMIT_MAX)
        return options_bad("buffer_limit", "1 to 65536");
    return 0;
}

int aio__options_cores(const struct aio_runtime_options *options, uint32_t *count)
{
    int rc = aio__log_open();
    if (rc < 0)
        return rc;
    if (options != NULL && options->size != sizeof *options)
        return options_bad("size", "sizeof(struct aio_runtime_options), see AIO_RUNTIME_OPTIONS");
    *count = options != NULL && options->cores != 0 ? options->cores : 1;
    if (*count == AIO_CORES_ALL)
        *count = aio_runtime_cpus();
    return *count > AIO_CORES_MAX ? options_bad("cores", "1 to 256, or AIO_CORES_ALL") : 0;
}

int aio__options_settle(struct aio_runtime *runtime, const struct aio_runtime_options *options)
{
    struct aio_runtime_options *settled = &runtime->options;
    *settled = options != NULL ? *options : AIO_RUNTIME_OPTIONS;
    if (settled->stack_bytes == 0)
        settled->stack_bytes = OPTIONS_STACK_BYTES;
    options_default(&settled->ring_entries, OPTIONS_RING_ENTRIES);
    options_default(&settled->ring_workers, OPTIONS_RING_WORKERS);
    options_default(&settled->task_limit, OPTIONS_TASK_LIMIT);
    options_default(&settled->stack_cache, OPTIONS_STACK_CACHE);
    options_default(&settled->offload_threads, OPTIONS_OFFLOAD_THREADS);
    options_default(&settled->offload_queue, OPTIONS_OFFLOAD_QUEUE);
    options_default(&settled->buffer_bytes, OPTIONS_BUFFER_BYTES);
    options_default(&settled->buffer_limit, OPTIONS_BUFFER_LIMIT);
    options_default(&settled->stream_buffers, OPTIONS_STREAM_BUFFERS);
    if (settled->offload_idle_ns == 0)
        settled->offload_idle_ns = OPTIONS_OFFLOAD_IDLE_NS;
    settled->cores = runtime->count;
    int rc = options_texts(runtime, settled);
    return rc < 0 ? rc : options_check(settled);
}
