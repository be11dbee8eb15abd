/*
 * Programmer errors with scopes: each aborts with a sentence that names the call and the task.
 */
#define SUITE "scope_misuse"
#include "tests/behaviour/task_tools.h"

#include <aio/scope.h>
#include <pthread.h>
#include <signal.h>

static int just_yield(void *unused)
{
    (void)unused;
    return aio_task_yield();
}

static int spawn_into_joined(void *unused)
{
    struct aio_scope scope;
    aio_scope_open(&scope, NULL);
    return aio_scope_join(&scope) + aio_scope_spawn(&scope, just_yield, unused);
}

static int cancel_joined(void *unused)
{
    struct aio_scope scope;
    (void)unused;
    aio_scope_open(&scope, NULL);
    int rc = aio_scope_join(&scope);
    aio_scope_cancel(&scope);
    return rc;
}

static int join_twice(void *unused)
{
    struct aio_scope scope;
    (void)unused;
    aio_scope_open(&scope, NULL);
    return aio_scope_join(&scope) + aio_scope_join(&scope);
}

static int join_unopened(void *unused)
{
    struct aio_scope scope = {0};
    (void)unused;
    return aio_scope_join(&scope);
}

static int open_twice(void *unused)
{
    struct aio_scope scope;
    (void)unused;
    aio_scope_open(&scope, NULL);
    return aio_scope_open(&scope, NULL);
}

static int join_it(void *scope)
{
    aio_task_rename("meddler");
    return aio_scope_join(scope);
}

static int open_outer_again(void *unused)
{
    struct aio_scope outer, inner;
    (void)unused;
    aio_scope_open(&outer, NULL);
    aio_scope_open(&inner, NULL);
    return aio_scope_open(&outer, NULL);
}

static int join_by_child(void *unused)
{
    struct aio_scope scope;
    (void)unused;
    aio_scope_open(&scope, NULL);
    return aio_scope_spawn(&scope, join_it, &scope) + aio_scope_join(&scope);
}

static int join_outer_first(void *unused)
{
    struct aio_scope outer, inner;
    (void)unused;
    aio_scope_open(&outer, NULL);
    aio_scope_open(&inner, NULL);
    return aio_scope_join(&outer) + aio_scope_join(&inner);
}

static struct aio_scope lasting; /* lives on when its owner has returned */

static int return_unjoined(void *unused)
{
    (void)unused;
    aio_task_rename("careless");
    return aio_scope_open(&lasting, NULL);
}

static int await_unjoined(void *unused)
{
    struct aio_task *task;
    return aio_task_spawn(&task, return_unjoined, unused, NULL) + aio_task_join(task, NULL);
}

static int clear_first(void *unused)
{
    struct aio_deadline deadline;
    (void)unused;
    aio_deadline_set(&deadline, AIO_SEC(1));
    aio_scope_open(&lasting, NULL);
    aio_deadline_clear(&deadline);
    return 0;
}

static int unshield_first(void *unused)
{
    struct aio_shield shield;
    (void)unused;
    aio_shield_enter(&shield);
    aio_scope_open(&lasting, NULL);
    aio_shield_leave(&shield);
    return 0;
}

/* A runtime of another thread, which uses the scope of this one. */
static int spawn_there(void *scope)
{
    return aio_scope_spawn(scope, just_yield, NULL);
}

static void *run_there(void *scope)
{
    (void)aio_runtime_run(NULL, spawn_there, scope);
    return NULL;
}

static int spawn_elsewhere(void *unused)
{
    struct aio_scope scope;
    pthread_t thread;
    (void)unused;
    aio_scope_open(&scope, NULL);
    if (pthread_create(&thread, NULL, run_there, &scope) == 0)
        pthread_join(thread, NULL);
    return aio_scope_join(&scope);
}

static int open_outside(void *unused)
{
    (void)unused;
    return aio_scope_open(&lasting, NULL);
}

BEHAVIOUR_OUTSIDE(aborts_with_names)
{
    static const struct {
        int (*entry)(void *unused);
        const char *text;
    } cases[] = {
        {spawn_into_joined, "task 'main': aio_scope_launch: the scope has been joined"},
        {cancel_joined, "aio_scope_cancel: the scope has been joined"},
        {join_twice, "aio_scope_join: the scope has been joined"},
        {join_unopened, "aio_scope_join: the scope has not been opened"},
        {open_twice, "aio_scope_open: the scope is open"},
        {open_outer_again, "task 'main': aio_scope_open: the scope is open"},
        {join_by_child, "task 'meddler': aio_scope_join: task 'main' opened the scope"},
        {join_outer_first, "aio_scope_join: a scope opened after this one is still open"},
        {await_unjoined, "task 'careless' has returned with a scope still open"},
        {return_unjoined, "task 'careless' has returned with a scope still open"},
        {clear_first, "aio_deadline_clear: a scope opened inside is still open"},
        {unshield_first, "aio_shield_leave: a scope opened inside is still open"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct child child;
        REQUIRE(child_run_task(&child, cases[i].entry, NULL));
        child_killed(&child, SIGABRT);
        child_said(&child, cases[i].text);
    }
}

BEHAVIOUR_OUTSIDE(opening_outside_a_task)
{
    struct child child;
    REQUIRE(child_run(&child, open_outside, NULL));
    child_killed(&child, SIGABRT);
    child_said(&child, "aio_scope_open was called outside a task");
}

BEHAVIOUR_OUTSIDE(scope_of_another_runtime)
{
    struct child child;
    if (!child_may_have_threads())
        return;
    REQUIRE(child_run_task(&child, spawn_elsewhere, NULL));
    child_killed(&child, SIGABRT);
    child_said(&child, "the scope belongs to another runtime");
}

static int leave_unjoined(void *unused)
{
    aio_task_rename("hasty");
    AIO_SCOPE(scope);
    return aio_scope_spawn(&scope, just_yield, unused);
}

/* Leaving AIO_SCOPE without a join is no error, but a build with AIO_DEBUG complains. */
BEHAVIOUR_OUTSIDE(leaving_is_complained_about)
{
    struct child child;
    REQUIRE(child_run_task(&child, leave_unjoined, NULL));
    child_exited(&child, 0);
#if defined(AIO_DEBUG) && AIO_DEBUG
    child_said(&child, "task 'hasty' leaves a scope without joining it");
#endif
}
