/*
 * What the tests of tasks share: connected streams, counters, a look at what a task is doing, and
 * processes of their own for what ends a process.
 */
#ifndef AIO_TESTS_BEHAVIOUR_TASK_TOOLS_H
#define AIO_TESTS_BEHAVIOUR_TASK_TOOLS_H

#include "tests/harness/harness.h"

#include <sys/types.h>

/* As many tasks alive at once as a test wants; ThreadSanitizer has room for 8128. */
enum { TEN_THOUSAND = UNDER_TSAN ? 5000 : 10000 };

/* Two ends of a TCP connection over loopback. What near can send unread is small. */
struct wire {
    struct aio_stream *near;
    struct aio_stream *far;
};

bool wire_open(struct wire *wire);
void wire_close(struct wire *wire);

/* A listener on a port of the kernel's choice, and its address as text. */
bool wire_listen(struct aio_listener **out, char text[AIO_ADDRESS_TEXT_BYTES]);

struct aio_runtime_stats task_stats(void);

/* Spawns a task with a name. Returns NULL, with a failure recorded, when that is refused. */
struct aio_task *task_named(const char *name, int (*fn)(void *arg), void *arg);

/* Cancels a task and joins it, whatever is pending for the caller. Returns its result. */
int task_stop(struct aio_task *task);

/* Whether the dump shows the task of that name parked; and waiting until it does. */
bool task_parked(const char *name);
bool task_wait_parked(const char *name);

/* Waits until *flag is set; also what such a flag looks like as a task. */
bool task_wait_flag(bool *flag);

/* A task's function: sleeps until it is cancelled; returns why it ended. */
int task_sleep_forever(void *unused);

/* A task's function: counts its turns in an int until it is cancelled. */
int task_count_turns(void *turns);

/* Keeps the thread without suspending. */
void task_burn(int64_t duration_ns);

/* A process that has ended. */
struct child {
    int status; /* as of waitpid(2) */
    int64_t took_ns;
    char text[16384]; /* what it wrote to standard error */
};

/*
 * Runs body(arg) in a forked process, which exits with its result, and waits for it. To be called
 * outside a runtime.
 */
bool child_run(struct child *child, int (*body)(void *arg), void *arg);

/* The same with entry as the first task of a runtime on the row. */
bool child_run_task(struct child *child, int (*entry)(void *arg), void *arg);

/*
 * The same with two runtimes on threads of their own: `first` starts `second` by calling
 * child_start_second, or it never starts.
 */
bool child_run_two(struct child *child, int (*first)(void *arg), int (*second)(void *arg),
                   void *arg);
void child_start_second(void);

/* Whether forked processes may start threads and get signals; skips the test if not. */
bool child_may_have_threads(void);

bool child_exited(const struct child *child, int code);
bool child_killed(const struct child *child, int number);
bool child_said(const struct child *child, const char *text);

#endif
