/*
 * Signal stacks, and naming the task whose stack overflowed, see overflow.h and sigaltstack(2).
 */
#include "core/overflow.h"

#include "core/alloc.h"
#include "core/core.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

#define OVERFLOW_STACK_BYTES ((size_t)64 * 1024) /* for handlers, beside the kernel's frames */
#define OVERFLOW_FRAMES 2 /* a fault may interrupt the handler of another signal */

static pthread_mutex_t overflow_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned overflow_users;
static struct sigaction overflow_before;

/* snprintf is not async-signal-safe by the letter; with integers and strings only, glibc's takes no
 * lock. */
static void overflow_report(const struct aio_task *task, const char *address)
{
    char line[320];
    int length = snprintf(
        line, sizeof line,
        "aio: fatal: stack overflow in task '%s': fault at %p, below its stack of %zu bytes at %p; "
        "raise stack_bytes of its aio_task_options or of aio_runtime_options\n",
        aio_task_name(task), (const void *)address, task->stack.bytes,
        (const void *)task->stack.base);
    ssize_t ignored = write(STDERR_FILENO, line, (size_t)length);
    (void)ignored;
}

static void overflow_chain(int signal, siginfo_t *info, void *context)
{
    bool sent = info->si_code <= 0; /* by kill(2) and the like */
    if ((overflow_before.sa_flags & SA_SIGINFO) != 0 && overflow_before.sa_sigaction != NULL) {
        overflow_before.sa_sigaction(signal, info, context);
    } else if (overflow_before.sa_handler != SIG_DFL && overflow_before.sa_handler != SIG_IGN) {
        overflow_before.sa_handler(signal);
    } else if (!sent || overflow_before.sa_handler == SIG_DFL) {
        /* A fault repeats when we return, and then takes its default way; what was sent does not.
         */
        struct sigaction fallback = {.sa_handler = SIG_DFL};
        (void)sigaction(signal, &fallback, NULL);
        if (sent)
            (void)raise(signal);
    }
}

static void overflow_handler(int signal, siginfo_t *info, void *context)
{
    const struct aio__core *core = aio__core_current;
    const struct aio_task *task = core != NULL ? core->current : NULL;
    const char *address = info->si_addr;
    if (task != NULL && address < task->stack.base &&
        address >= task->stack.base - core->stacks.guard_bytes)
        overflow_report(task, address);
    overflow_chain(signal, info, context);
}

static int overflow_install(void)
{
    int rc = 0;
    pthread_mutex_lock(&overflow_lock);
    if (overflow_users == 0) {
        struct sigaction action = {.sa_sigaction = overflow_handler,
                                   .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
        sigemptyset(&action.sa_mask);
        rc = sigaction(SIGSEGV, &action, &overflow_before) < 0 ? -errno : 0;
    }
    if (rc == 0)
        overflow_users++;
    pthread_mutex_unlock(&overflow_lock);
    return rc;
}

static void overflow_uninstall(void)
{
    pthread_mutex_lock(&overflow_lock);
    struct sigaction now;
    if (--overflow_users == 0 && sigaction(SIGSEGV, NULL, &now) == 0 &&
        (now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == overflow_handler)
        (void)sigaction(SIGSEGV, &overflow_before, NULL);
    pthread_mutex_unlock(&overflow_lock);
}

/* One for all runtimes of the thread: another loop may turn several. */
static __thread struct {
    void *stack; /* NULL: the thread had one of its own, which will do */
    stack_t before;
    unsigned users;
} overflow_thread;

/* A kernel that does not tell how large its frames are has none that matter here. */
static size_t overflow_stack_bytes(void)
{
    return OVERFLOW_STACK_BYTES + OVERFLOW_FRAMES * getauxval(AT_MINSIGSTKSZ);
}

static int overflow_use_stack(void)
{
    if (overflow_thread.users++ > 0)
        return 0;
    if (sigaltstack(NULL, &overflow_thread.before) < 0)
        return -errno;
    if ((overflow_thread.before.ss_flags & SS_DISABLE) == 0)
        return 0;
    stack_t stack = {.ss_size = overflow_stack_bytes()};
    stack.ss_sp = overflow_thread.stack = aio__alloc_shared(stack.ss_size);
    if (stack.ss_sp == NULL)
        return -ENOMEM;
    return sigaltstack(&stack, NULL) < 0 ? -errno : 0;
}

static void overflow_leave_stack(void)
{
    if (--overflow_thread.users > 0 || overflow_thread.stack == NULL)
        return;
    (void)sigaltstack(&overflow_thread.before, NULL);
    aio__free(overflow_thread.stack);
    overflow_thread.stack = NULL;
}

void aio__overflow_forked(void)
{
    pthread_mutex_init(&overflow_lock, NULL);
}

int aio__overflow_open(struct aio__overflow *overflow, bool report)
{
    int rc = overflow_use_stack();
    if (rc == 0 && report)
        rc = overflow_install();
    overflow->open = rc == 0;
    overflow->installed = rc == 0 && report;
    if (rc < 0)
        overflow_leave_stack();
    return rc;
}

void aio__overflow_close(struct aio__overflow *overflow)
{
    if (!overflow->open)
        return;
    if (overflow->installed)
        overflow_uninstall();
    overflow->open = overflow->installed = false;
    overflow_leave_stack();
}
