/*
 * What the tests of runtimes with several cores share.
 */
#ifndef AIO_TESTS_BEHAVIOUR_CORES_TOOLS_H
#define AIO_TESTS_BEHAVIOUR_CORES_TOOLS_H

#include "tests/behaviour/task_tools.h"

#include <aio/core.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

/* The row's options with that many cores. */
struct aio_runtime_options cores_options(uint32_t cores);

/* A runtime with these options that was not run; NULL, with a failure recorded, if there is none.
 */
struct aio_runtime *cores_create(uint32_t cores);

/* The same, started. */
struct aio_runtime *cores_start(uint32_t cores, int (*entry)(void *arg), void *arg);

/* Waits until it is over and destroys it. Returns its result. */
int cores_end(struct aio_runtime *runtime);

/* Runs entry(arg) on each of that many cores. */
int cores_run(uint32_t cores, int (*entry)(void *arg), void *arg);

/* Runs body on the first of these cores; the others only serve it. Then stops them. */
int cores_play(const struct aio_runtime_options *options, void (*body)(void));

/* A test whose body is a task on the first of that many cores, which all serve. */
#define ON_CORES(name, ...)                                                                        \
    static void name##_body(void);                                                                 \
    BEHAVIOUR_OUTSIDE(name)                                                                        \
    {                                                                                              \
        struct aio_runtime_options options = test_options();                                       \
        const struct aio_runtime_options more = {__VA_ARGS__};                                     \
        options.cores = more.cores;                                                                \
        options.task_limit = more.task_limit;                                                      \
        AIO_CHECK_OK(cores_play(&options, name##_body));                                           \
    }                                                                                              \
    static void name##_body(void)

/* Sleeps until it is cancelled and returns 0. */
int cores_serve(void *unused);

/* In a task or outside: waits until the number is at least that. */
bool cores_wait(atomic_int *number, int least);
bool cores_wait_outside(atomic_int *number, int least);

/* A thread, and its end. */
bool thread_start(pthread_t *thread, void *(*body)(void *arg), void *arg);
void thread_join(pthread_t thread);

/* Threads and descriptors of the process. */
int process_threads(void);
int process_fds(void);

#endif
