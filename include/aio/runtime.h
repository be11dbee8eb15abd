/*
 * <aio/runtime.h>: starting a runtime, choosing its backend, asking it what it does.
 *
 * A runtime is one core or several. A core is a thread with a scheduler, a backend and the tasks on
 * them; cores share nothing on their hot paths. Its backend is chosen when it starts: io_uring
 * where the kernel grants it, else epoll; aio_runtime_explain tells why.
 *
 * Most programs need aio_runtime_run, or AIO_MAIN, and nothing else. A program that keeps threads
 * of its own, or another event loop, creates a runtime, starts it in threads of its own
 * (aio_runtime_start), on the calling thread (aio_runtime_serve) or inside that loop
 * (aio_runtime_attach), posts to it, stops it, and destroys it. A process may have any number.
 */
#ifndef AIO_RUNTIME_H
#define AIO_RUNTIME_H

#include <aio/base.h>

AIO_BEGIN_DECLS

enum aio_runtime_flags {
    /* Do not install the SIGSEGV handler that names the task whose stack overflowed. The thread has
     * a signal stack all the same, if it had none. */
    AIO_RUNTIME_NO_OVERFLOW_HANDLER = 1u << 0,
    /* Do not give each core a processor of its own, where there are several cores. */
    AIO_RUNTIME_NO_PINNING = 1u << 1,
    /* Whoever called aio_runtime_create will not post to it nor stop it. Then tasks that can only
     * be woken from outside are seen as a deadlock, as with aio_runtime_run. */
    AIO_RUNTIME_UNHELD = 1u << 2,
};

/* Cores a runtime has at most. */
#define AIO_CORES_MAX 256u

/* As many cores as aio_runtime_cpus. */
#define AIO_CORES_ALL UINT32_MAX

/*
 * Where the memory of a core comes from, instead of malloc(3). One function: resize(context, NULL,
 * 0, n) allocates n bytes, resize(context, block, n, m) moves them to a block of m, resize(context,
 * block, n, 0) frees them. Blocks are aligned as malloc's are. It returns NULL when it cannot; the
 * block handed in is still there then. It must not call aio functions.
 *
 * It is called on the core's own thread, which may be in a task with a small stack. The exception
 * is freeing: what a core has allocated may be freed by another one, when a handle has been moved
 * there, even after its own core has ended; then resize frees on that thread. A program that moves
 * handles between cores gives an allocator that several threads may use.
 */
struct aio_allocator {
    void *(*resize)(void *context, void *block, size_t old_bytes, size_t new_bytes);
    void *context;
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
    /*
     * Threads of the kernel's own that a core's ring may use at once for what cannot be done
     * without waiting (opening, syncing, writing and uncached reading of files), for each of the
     * kernel's two kinds of such work. 1 to 1024, default 16.
     */
    uint32_t ring_workers;
    /* Tasks alive at once; one more is refused with -EAGAIN. Default 4,194,304. */
    uint32_t task_limit;
    /* Stacks of finished tasks that stay resident for the next ones; the memory of those beyond
     * is given back before the runtime sleeps. Default 1024. */
    uint32_t stack_cache;
    /* Threads for work that cannot be asynchronous, at most; they start when needed. 1 to 1024,
     * default 4. */
    uint32_t offload_threads;
    /* Calls that may wait for such a thread; the next ones wait for a place, see
     * aio_offload_call. Default 1024. */
    uint32_t offload_queue;
    /* A thread of the pool that has had no work for this time ends, unless it has made a child
     * process, see <aio/process.h>. AIO_FOREVER: with the runtime. Default 10 seconds. */
    int64_t offload_idle_ns;
    /* Bits of enum aio_runtime_flags. */
    uint32_t flags;
    /*
     * Cores, 1 to AIO_CORES_MAX, or AIO_CORES_ALL. Each is a thread of its own, pinned to a
     * processor of its own as long as there are as many processors as cores. The offload pool,
     * child processes and runtimes that a task starts may use all processors; a thread that a task
     * makes itself inherits the one. The entry runs once on each core. Default 1.
     */
    uint32_t cores;
    /* Of each core. resize NULL: malloc(3). */
    struct aio_allocator allocator;
    /*
     * Bytes that each core may have; 0: no limit. What would exceed it returns -ENOMEM to whoever
     * asked, or waits where the call says so (accept); nothing is lost, and it works again when
     * memory has been given back. Counted are the blocks from the allocator, each with 16 bytes of
     * its own; a page for each stack that is in use or kept for reuse (stack_cache), whereas a
     * stack that is used deeper takes more than that; and the rented buffers that may come into
     * use, of which there are fewer where memory is short, and never more than take half of the
     * limit. Not counted is what belongs to no core (channels between threads, tasks on their way
     * to another core), and what others have: the kernel, libc, libev, c-ares, and OpenSSL, whose
     * connections take some tens of KB each. A runtime wants some 100 KB to start.
     */
    size_t memory_limit;
    /* Rented buffers, see <aio/buf.h>: bytes of each, 64 to 16 MiB. Default 16 KiB. Only what is
     * written to takes memory. */
    uint32_t buffer_bytes;
    /* How many there are at most, up to 65536; fewer where memory_limit leaves no room for them.
     * Half of them are kept for receiving, out of reach of aio_buffer_rent. Default 1024. */
    uint32_t buffer_limit;
    /* How many may hold data that one stream has received and nobody has read, and likewise data
     * that one stream has yet to send, before the peer, or the writer, has to wait. Default 16.
     * With io_uring a burst of one stream may fill more, half of buffer_limit at most, before the
     * kernel has been told to stop. */
    uint32_t stream_buffers;
};

#define AIO_RUNTIME_OPTIONS                                                                        \
    ((struct aio_runtime_options){.size = sizeof(struct aio_runtime_options)})

struct aio_runtime;

/*
 * aio_runtime_run makes a runtime, runs it with the calling thread as its first core, and returns
 * when all is over. entry(arg) is the first task of each core. When it has returned, the tasks that
 * are left on its core are cancelled and awaited, and every handle still open there is closed. The
 * runtime ends with its last core.
 *
 * When every task waits for another one, with no timer, no I/O, nobody who waits for a signal
 * (aio_signal_shutdown), and nobody outside who could wake one (aio_runtime_hold, a channel between
 * threads), that is a deadlock: it is reported on standard error with what each task waits for, all
 * tasks are cancelled, and the result is -EDEADLK. Tasks that wait on inside shields are abandoned,
 * with what they own.
 *
 * A child that a task makes by fork(2) shares the runtime's kernel objects and must not use them:
 * calls that need a task abort there, those that take a runtime of the parent return -ESHUTDOWN.
 * The child may run a runtime of its own. exec in the child is safe.
 *
 * Suspends:  no task; it blocks the calling thread.
 * Context:   a thread that runs no runtime already (-EBUSY).
 * Lifetime:  options and its texts are copied; arg must live as long as entry uses it.
 * Returns:   the first result of an entry that is not 0, or 0; -EDEADLK; or, when nothing was
 *            started: -EINVAL for a bad option, environment variable or backend name; the reason of
 *            the refusal (-EPERM, -ENOSYS, -ENOMEM...) when the backend asked for cannot be had;
 *            -EAGAIN when the system has no thread for a core; -ENOMEM. A sentence on standard
 *            error says which (AIO_LOG=off silences it). Use aio_runtime_main, or set a flag in
 *            entry, where the two must be told apart.
 */
AIO_API int aio_runtime_run(const struct aio_runtime_options *options, int (*entry)(void *arg),
                            void *arg);

/*
 * aio_runtime_create makes a runtime that does not run yet. It is run once.
 *
 * Suspends:  never.
 * Context:   anywhere, any thread.
 * Lifetime:  options and its texts are copied. The runtime lives until aio_runtime_destroy.
 * Returns:   0; -EINVAL for a bad option or environment variable, with a sentence on standard
 *            error; -ENOMEM.
 */
AIO_API AIO_NODISCARD int aio_runtime_create(struct aio_runtime **out,
                                             const struct aio_runtime_options *options);

/*
 * aio_runtime_start runs the runtime on threads of its own and returns when all its cores are open.
 * When one of them cannot be opened, those that were are closed again.
 *
 * Suspends:  no task; it blocks the calling thread for a moment.
 * Context:   anywhere, any thread.
 * Lifetime:  arg must live as long as entry uses it.
 * Returns:   0; -EBUSY when it was run before; else as aio_runtime_run when nothing was started,
 *            and the runtime can only be destroyed.
 */
AIO_API AIO_NODISCARD int aio_runtime_start(struct aio_runtime *runtime, int (*entry)(void *arg),
                                            void *arg);

/*
 * aio_runtime_serve runs the runtime with the calling thread as its first core, until it is over.
 *
 * Suspends:  no task; it blocks the calling thread.
 * Context:   a thread that runs no runtime already (-EBUSY).
 * Lifetime:  arg must live as long as entry uses it.
 * Returns:   as aio_runtime_run; -EBUSY when it was run before.
 */
AIO_API int aio_runtime_serve(struct aio_runtime *runtime, int (*entry)(void *arg), void *arg);

/*
 * aio_runtime_wait waits until a runtime that was started is over.
 *
 * Suspends:  no task; it blocks the calling thread.
 * Context:   a thread that runs no runtime (-EBUSY) and holds this one, if somebody else may
 *            destroy it; several may wait.
 * Returns:   0 with *result (which may be NULL) as aio_runtime_run returns it; -EINVAL when it was
 *            not started; -EDEADLK on the thread that attached it, while it lives: nobody else
 *            turns it; -ESHUTDOWN in a child of fork(2).
 */
AIO_API AIO_NODISCARD int aio_runtime_wait(struct aio_runtime *runtime, int *result);

/*
 * aio_runtime_stop asks a runtime to end. On every core the first task is cancelled: an accept loop
 * ends with -ECANCELED and closes its listener. The other tasks may go on for drain_ns from now,
 * also after the first one has returned; then they are cancelled as well, and nothing new is
 * started. A later call can shorten the time, not lengthen it. Shields hold: a task may finish its
 * clean-up.
 *
 * Suspends:  never; aio_runtime_wait waits for the end.
 * Context:   anywhere, any thread that holds the runtime, or a task of it; before it is open, it
 *            ends when it is. Not a signal handler: see aio_signal_shutdown.
 * Returns:   0; -ESHUTDOWN when it is over.
 */
AIO_API int aio_runtime_stop(struct aio_runtime *runtime, int64_t drain_ns);

/*
 * aio_runtime_post makes a detached task on a core, from any thread. What was accepted runs: while
 * the core has no room for another task it waits for it, and when the core is ending the task
 * starts cancelled, so that it can give back what arg stands for. What one thread posts to one core
 * starts in that order.
 *
 * Suspends:  never.
 * Context:   anywhere, any thread that holds the runtime, or a task of it. Not a signal handler.
 * Lifetime:  arg as long as fn uses it.
 * Returns:   0; -EINVAL when there is no such core; -ESHUTDOWN when it is not open yet, is ending
 *            or has ended, or in a child of fork(2); -ENOMEM.
 */
AIO_API AIO_NODISCARD int aio_runtime_post(struct aio_runtime *runtime, uint32_t core,
                                           int (*fn)(void *arg), void *arg);

/*
 * aio_runtime_hold makes it known that a thread outside may post to the runtime or stop it, so that
 * tasks that only wait for that are not taken for a deadlock; and keeps the handle valid, also
 * after the runtime is over, until aio_runtime_release. aio_runtime_create is a hold of its own,
 * until aio_runtime_destroy.
 *
 * Suspends:  never.
 * Context:   anywhere, any thread that holds the runtime already, or a task of it.
 */
AIO_API void aio_runtime_hold(struct aio_runtime *runtime);

/* aio_runtime_release ends a hold; the handle must not be used for it any more. */
AIO_API void aio_runtime_release(struct aio_runtime *runtime);

/*
 * aio_runtime_destroy stops the runtime at once if it still runs, waits for its end and gives it
 * back. Unless others hold it, nobody is left who could wake tasks that wait on inside shields:
 * these are a deadlock then, and abandoned. NULL is ignored.
 *
 * Suspends:  no task; it blocks the calling thread.
 * Context:   a thread that is not the runtime's own; once.
 * Lifetime:  the handle is gone after the call, but for those who hold it.
 */
AIO_API void aio_runtime_destroy(struct aio_runtime *runtime);

/*
 * aio_runtime_current gives the runtime of the calling task.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Lifetime:  valid until the runtime is over; to give it to another thread, hold it before.
 * Returns:   the handle; NULL outside tasks.
 */
AIO_API struct aio_runtime *aio_runtime_current(void);

/*
 * aio_runtime_attach opens a runtime of one core on the calling thread without running it: another
 * event loop does, by watching aio_runtime_fd for reading and calling aio_runtime_turn whenever it
 * is readable.
 *
 * Suspends:  never.
 * Context:   a thread that runs no other runtime at the moment (-EBUSY).
 * Lifetime:  arg must live as long as entry uses it.
 * Returns:   0; -EINVAL when the runtime has several cores; -EBUSY when it was run before; else as
 *            aio_runtime_start.
 */
AIO_API AIO_NODISCARD int aio_runtime_attach(struct aio_runtime *runtime, int (*entry)(void *arg),
                                             void *arg);

/*
 * aio_runtime_fd gives the descriptor to watch: readable when aio_runtime_turn has something to do,
 * its timers included. See epoll(7).
 *
 * Suspends:  never.
 * Context:   the thread that attached it.
 * Lifetime:  the descriptor is the runtime's, and is closed by the turn that ends it.
 * Returns:   the descriptor; -EINVAL when the runtime is not attached or is over; -ESHUTDOWN in a
 *            child of fork(2).
 */
AIO_API int aio_runtime_fd(struct aio_runtime *runtime);

/*
 * aio_runtime_turn does what can be done without waiting: one turn of the runtime's loop. To call
 * it when there is nothing to do is harmless.
 *
 * Suspends:  no task; it runs tasks, for about half a millisecond unless one of them computes
 *            longer.
 * Context:   the thread that attached it, outside tasks (-EBUSY).
 * Returns:   1 while the runtime lives; 0 when it is over (aio_runtime_wait then gives its result);
 *            -EINVAL when it is not attached; -ESHUTDOWN in a child of fork(2).
 */
AIO_API int aio_runtime_turn(struct aio_runtime *runtime);

/*
 * aio_runtime_cpus tells how many processors the process may use: those of its affinity mask, see
 * sched_setaffinity(2), or fewer where the quota of its control group says so, see cgroups(7).
 *
 * Suspends:  never.
 * Context:   anywhere, any thread.
 * Returns:   1 to AIO_CORES_MAX.
 */
AIO_API uint32_t aio_runtime_cpus(void);

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
    uint64_t ops;         /* operations submitted, offloaded calls among them */
    uint64_t instant_ops; /* of these, completed without a wait */
    uint64_t switches;    /* times a task was given the thread */
    uint64_t tasks_started;
    uint32_t tasks_live;  /* tasks not yet finished, the caller included */
    uint32_t ops_pending; /* operations submitted and not completed */
    uint32_t timers_armed;
    uint32_t stacks_mapped;   /* stacks in use or kept for reuse */
    uint64_t memory_used;     /* bytes, as memory_limit counts them */
    uint64_t memory_peak;     /* the most it has been */
    uint32_t handles_open;    /* listeners and streams */
    uint32_t offload_queued;  /* offloaded calls and operations that no thread has begun */
    uint32_t offload_threads; /* threads of the offload pool */
    uint32_t buffers_held;    /* rented buffers in use, by the program or for it */
    uint32_t buffers_peak;    /* the most that were in use at once */
    uint32_t buffers_made; /* rented buffers that have ever been used: what the pool's memory is */
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
