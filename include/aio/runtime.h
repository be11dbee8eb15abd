/*
 * <aio/runtime.h>: starting a runtime, choosing its backend, asking it what it does.
 *
 * A runtime is a scheduler, a backend and the tasks on them, on the calling thread. Its backend
 * is chosen when it starts: io_uring where the kernel grants it, else epoll; aio_runtime_explain
 * tells why.
 */
#ifndef AIO_RUNTIME_H
#define AIO_RUNTIME_H

#include <aio/base.h>

AIO_BEGIN_DECLS

enum aio_runtime_flags {
    /* Do not install the SIGSEGV handler that names the task whose stack overflowed. */
    AIO_RUNTIME_NO_OVERFLOW_HANDLER = 1u << 0,
};

/*
 * Options of a runtime. Start from AIO_RUNTIME_OPTIONS and change what you need; a field that is
 * zero has its default. size tells which version of the struct the caller was compiled with.
 */
struct aio_runtime_options {
    size_t size;
    /* "auto", "uring" or "epoll" ("ev" means epoll); NULL: the environment's AIO_BACKEND, else
     * "auto". */
    const char *backend;
    /*
     * Optional kernel features the backend may use: "all", "none", or a list such as
     * "all,-defer_taskrun" or "multishot_accept,no_iowait". They change speed, never meaning.
     * NULL: AIO_CAPS, else "all".
     */
    const char *caps;
    /* Usable bytes of a task's stack, a multiple of the page size, at least 16 KiB. Default 64 KiB.
     */
    size_t stack_bytes;
    /* Entries of the submission ring, a power of two of 8 to 32768. Default 1024. */
    uint32_t ring_entries;
    /* Tasks alive at once; one more is refused with -EAGAIN. Default 4,194,304. */
    uint32_t task_limit;
    /* Stacks of finished tasks that stay resident for the next ones; the memory of those beyond
     * is given back before the runtime sleeps. Default 1024. */
    uint32_t stack_cache;
    /* Threads for work that cannot be asynchronous, started when first needed. Default 4. */
    uint32_t offload_threads;
    /* Bits of enum aio_runtime_flags. */
    uint32_t flags;
    /* Rented buffers, see <aio/buf.h>: bytes of each, 64 to 16 MiB. Default 16 KiB. Only what is
     * written to takes memory. */
    uint32_t buffer_bytes;
    /* How many there are at most, up to 65536. Half of them are kept for receiving, out of reach of
     * aio_buffer_rent. Default 1024. */
    uint32_t buffer_limit;
    /* How many may hold data that one stream has received and nobody has read, and likewise data
     * that one stream has yet to send, before the peer, or the writer, has to wait. Default 16. */
    uint32_t stream_buffers;
};

#define AIO_RUNTIME_OPTIONS                                                                        \
    ((struct aio_runtime_options){.size = sizeof(struct aio_runtime_options)})

/*
 * aio_runtime_run starts a runtime on the calling thread, runs entry(arg) as its first task and
 * returns when all is over: when entry has returned, the tasks that are left are cancelled and
 * awaited, then every handle still open is closed and all memory is freed.
 *
 * A child that a task makes by fork(2) shares the runtime's kernel objects and must not use them:
 * aio calls abort there, except aio_runtime_run. exec in the child is safe.
 *
 * Suspends:  no task; it blocks the calling thread.
 * Context:   a thread that runs no runtime already (-EBUSY).
 * Lifetime:  options and its texts are copied; arg must live as long as entry uses it.
 * Returns:   what entry returned; or, when nothing was started: -EINVAL for a bad option,
 *            environment variable or backend name; the reason of the refusal (-EPERM, -ENOSYS,
 *            -ENOMEM...) when the backend asked for cannot be had; -ENOMEM. A sentence on
 *            standard error says which (AIO_LOG=off silences it). Use aio_runtime_main, or set a
 *            flag in entry, where the two must be told apart.
 */
AIO_API int aio_runtime_run(const struct aio_runtime_options *options, int (*entry)(void *arg),
                            void *arg);

/*
 * aio_runtime_main is main() for AIO_MAIN: it runs body(argc, argv) as the first task of a
 * runtime with default options.
 *
 * Context:   main, on the main thread.
 * Returns:   the exit code: body's result when that is 0 to 255, else 1; 1 when the runtime did
 *            not start.
 */
AIO_API int aio_runtime_main(int argc, char **argv, int (*body)(int argc, char **argv));

/* AIO_MAIN(argc, argv) { ... } defines main(); the block is the first task and its result the exit
 * code. */
#define AIO_MAIN(argc_name, argv_name)                                                             \
    static int aio_main_body(int argc_name, char **argv_name);                                     \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return aio_runtime_main(argc, argv, aio_main_body);                                        \
    }                                                                                              \
    static int aio_main_body(__attribute__((unused)) int argc_name,                                \
                             __attribute__((unused)) char **argv_name)

/*
 * aio_runtime_backend names the backend of the runtime on this thread.
 *
 * Suspends:  never.
 * Context:   a task.
 * Lifetime:  the text is static.
 * Returns:   "uring" or "epoll".
 */
AIO_API const char *aio_runtime_backend(void);

/*
 * aio_runtime_explain writes some lines of text: the backend in use, the features it uses and
 * those that were refused or masked, which operations run on the ring, inline or in the offload
 * pool, and for each backend passed over the reason ("uring: EPERM: ...").
 *
 * Suspends:  never.
 * Context:   a task.
 * Returns:   the length of the whole text; as with snprintf(3), at most size - 1 bytes and a NUL
 *            were written. size may be 0.
 */
AIO_API size_t aio_runtime_explain(char *buffer, size_t size);

/* Counters of the runtime on this thread since its start, and gauges of this moment. */
struct aio_runtime_stats {
    size_t size;          /* set it to sizeof(struct aio_runtime_stats) before the call */
    uint64_t turns;       /* turns of the loop */
    uint64_t polls;       /* calls of the backend's poll, one system call each as a rule */
    uint64_t ops;         /* operations submitted */
    uint64_t instant_ops; /* of these, completed without a wait */
    uint64_t switches;    /* times a task was given the thread */
    uint64_t tasks_started;
    uint32_t tasks_live;  /* tasks not yet finished, the caller included */
    uint32_t ops_pending; /* operations submitted and not completed */
    uint32_t timers_armed;
    uint32_t stacks_mapped; /* stacks in use or kept for reuse */
    uint32_t handles_open;  /* listeners and streams */
    uint32_t buffers_held;  /* rented buffers in use, by the program or for it */
    uint32_t buffers_peak;  /* the most that were in use at once */
    uint32_t buffers_made;  /* rented buffers that have ever been used: what the pool's memory is */
    uint64_t buffer_shortages; /* times that something had to wait for a free buffer */
};

/*
 * aio_runtime_stats reads the counters.
 *
 * Suspends:  never.
 * Context:   a task.
 * Returns:   0; -EINVAL when out->size is not that of a known version.
 */
AIO_API AIO_NODISCARD int aio_runtime_stats(struct aio_runtime_stats *out);

/*
 * aio_runtime_dump writes a line for each task of the runtime on this thread: name, state, what
 * it waits for and how long its deadline is away.
 *
 * Suspends:  never.
 * Context:   a task, or a signal handler on the runtime's thread (it only calls write(2)).
 */
AIO_API void aio_runtime_dump(int fd);

AIO_END_DECLS

#endif
