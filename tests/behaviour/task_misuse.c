/*
 * Programmer errors: each aborts with a sentence on standard error that names the call.
 */
#define SUITE "task_misuse"
#include "tests/behaviour/task_tools.h"

#include <signal.h>

static void check_aborts(int (*entry)(void *arg), const char *text)
{
    struct child child;
    REQUIRE(child_run_task(&child, entry, NULL));
    child_killed(&child, SIGABRT);
    child_said(&child, text);
}

static int spawn_outside(void *unused)
{
    return aio_task_spawn(NULL, task_sleep_forever, unused, NULL);
}

static int sleep_outside(void *unused)
{
    (void)unused;
    return aio_time_sleep(0);
}

/* Calls that need a task abort outside one, and say which call it was. */
BEHAVIOUR_OUTSIDE(calls_outside_a_task)
{
    struct child child;
    REQUIRE(child_run(&child, spawn_outside, NULL));
    child_killed(&child, SIGABRT);
    child_said(&child, "aio_task_spawn was called outside a task");
    REQUIRE(child_run(&child, sleep_outside, NULL));
    child_killed(&child, SIGABRT);
    child_said(&child, "outside a task");
}

static int join_self(void *unused)
{
    (void)unused;
    return aio_task_join(aio_task_current(), NULL);
}

static int spawn_self_joiner(void *unused)
{
    (void)unused;
    struct aio_task *task = task_named("narcissus", join_self, NULL);
    return aio_task_join(task, NULL);
}

/* A task that joins itself would wait for ever; the message names it. */
BEHAVIOUR_OUTSIDE(joining_oneself)
{
    check_aborts(spawn_self_joiner, "task 'narcissus' joins itself");
}

static int join_it(void *task)
{
    return aio_task_join(task, NULL);
}

static int join_twice(void *unused)
{
    (void)unused;
    struct aio_task *popular = task_named("popular", task_sleep_forever, NULL);
    struct aio_task *joiner = task_named("joiner", join_it, popular);
    if (joiner == NULL || aio_task_yield() < 0)
        return 1;
    return aio_task_join(popular, NULL);
}

/* One task joins; a second one aborts. */
BEHAVIOUR_OUTSIDE(joining_what_is_being_joined)
{
    check_aborts(join_twice, "task 'popular' is being joined");
}

static int return_at_once(void *unused)
{
    (void)unused;
    return 0;
}

static int join_again(void *unused)
{
    (void)unused;
    struct aio_task *brief = task_named("brief", return_at_once, NULL);
    return aio_task_join(brief, NULL) + aio_task_join(brief, NULL);
}

static int detach_joined_before(void *unused)
{
    (void)unused;
    struct aio_task *brief = task_named("brief", return_at_once, NULL);
    int rc = aio_task_join(brief, NULL);
    aio_task_detach(brief);
    return rc;
}

static int select_joined(void *unused)
{
    (void)unused;
    struct aio_task *brief = task_named("brief", return_at_once, NULL);
    struct aio_select_case again = aio_select_join(brief, NULL);
    int rc = aio_task_join(brief, NULL);
    return rc < 0 ? rc : aio_select_try(&again, 1);
}

/* Its stack would be given back twice, and two tasks run on it. */
BEHAVIOUR_OUTSIDE(joining_what_has_been_joined)
{
    check_aborts(join_again, "aio_task_join: task 'brief' is detached or has been joined");
    check_aborts(detach_joined_before,
                 "aio_task_detach: task 'brief' is detached or has been joined");
    check_aborts(select_joined, "aio_select_join: task 'brief' is detached or has been joined");
}

static int detach_joined(void *unused)
{
    (void)unused;
    struct aio_task *popular = task_named("popular", task_sleep_forever, NULL);
    struct aio_task *joiner = task_named("joiner", join_it, popular);
    if (joiner == NULL || aio_task_yield() < 0)
        return 1;
    aio_task_detach(popular);
    return 0;
}

/* Nor may it be detached under its joiner. */
BEHAVIOUR_OUTSIDE(detaching_what_is_being_joined)
{
    check_aborts(detach_joined, "task 'popular' is being joined");
}

static int join_detached(void *unused)
{
    (void)unused;
    struct aio_task *free_one = task_named("free", task_sleep_forever, NULL);
    aio_task_detach(free_one);
    return aio_task_join(free_one, NULL);
}

/* A detached task that still runs has no handle any more. */
BEHAVIOUR_OUTSIDE(joining_a_detached_task)
{
    check_aborts(join_detached, "task 'free' is detached");
}

static int set_deadline_twice(void *unused)
{
    struct aio_deadline outer, inner;
    (void)unused;
    aio_deadline_set(&outer, AIO_SEC(1));
    aio_deadline_set(&inner, AIO_SEC(1));
    aio_deadline_set(&outer, AIO_SEC(1));
    return 0;
}

static int detach_first(void *unused)
{
    (void)unused;
    aio_task_detach(aio_task_current());
    return 0;
}

/* The runtime joins its first task itself. */
BEHAVIOUR_OUTSIDE(detaching_the_first_task)
{
    check_aborts(detach_first, "aio_task_detach: the first task belongs to the runtime");
}

/* A deadline that is set twice would be its own outer one. */
BEHAVIOUR_OUTSIDE(setting_a_deadline_twice)
{
    check_aborts(set_deadline_twice, "task 'main': aio_deadline_set: this deadline is set");
}

/* Something of one runtime, to be misused from another one on another thread. */
struct foreign {
    void (*misuse)(struct foreign *foreign);
    struct aio_task *task;
    struct wire wire;
    struct aio_listener *listener;
};

static int misuse_here(void *arg)
{
    struct foreign *foreign = arg;
    foreign->misuse(foreign);
    return 0;
}

static int offer_foreign(void *arg)
{
    struct foreign *foreign = arg;
    char text[AIO_ADDRESS_TEXT_BYTES];
    foreign->task = task_named("native", task_sleep_forever, NULL);
    if (!wire_open(&foreign->wire) || !wire_listen(&foreign->listener, text))
        return 1;
    child_start_second();
    return aio_time_sleep(AIO_SEC(3600));
}

static void check_foreign(void (*misuse)(struct foreign *foreign), const char *text)
{
    struct foreign foreign = {.misuse = misuse};
    struct child child;
    REQUIRE(child_run_two(&child, offer_foreign, misuse_here, &foreign));
    child_killed(&child, SIGABRT);
    child_said(&child, text);
}

static void foreign_join(struct foreign *foreign)
{
    (void)!aio_task_join(foreign->task, NULL);
}

static void foreign_cancel(struct foreign *foreign)
{
    aio_task_cancel(foreign->task);
}

static void foreign_detach(struct foreign *foreign)
{
    aio_task_detach(foreign->task);
}

static void foreign_read(struct foreign *foreign)
{
    char byte;
    (void)aio_stream_read(foreign->wire.near, &byte, 1);
}

static void foreign_accept(struct foreign *foreign)
{
    struct aio_stream *stream;
    (void)!aio_listener_accept(foreign->listener, &stream);
}

/* Handles belong to the runtime that made them; from another one each call aborts and says so. */
BEHAVIOUR_OUTSIDE(tasks_of_another_runtime)
{
    if (!child_may_have_threads())
        return;
    check_foreign(foreign_join, "aio_task_join: the task belongs to another runtime");
    check_foreign(foreign_cancel, "aio_task_cancel: the task belongs to another runtime");
    check_foreign(foreign_detach, "aio_task_detach: the task belongs to another runtime");
}

/* Streams and listeners too. */
BEHAVIOUR_OUTSIDE(handles_of_another_runtime)
{
    if (!child_may_have_threads())
        return;
    check_foreign(foreign_read, "aio_stream_read: this stream belongs to another runtime");
    check_foreign(foreign_accept, "aio_listener_accept: this listener belongs to another runtime");
}

static int clear_out_of_order(void *unused)
{
    (void)unused;
    struct aio_deadline outer, inner;
    aio_deadline_set(&outer, AIO_SEC(1));
    aio_deadline_set(&inner, AIO_SEC(1));
    aio_deadline_clear(&outer);
    return 0;
}

static int clear_it(void *deadline)
{
    aio_deadline_clear(deadline);
    return 0;
}

static int clear_elsewhere(void *unused)
{
    (void)unused;
    struct aio_deadline deadline;
    aio_deadline_set(&deadline, AIO_SEC(1));
    struct aio_task *task = task_named("other", clear_it, &deadline);
    return aio_task_join(task, NULL);
}

/* Deadlines are cleared in the reverse order of setting, by the task that set them. */
BEHAVIOUR_OUTSIDE(deadlines_out_of_order)
{
    check_aborts(clear_out_of_order, "aio_deadline_clear: an inner deadline or shield");
    check_aborts(clear_elsewhere, "aio_deadline_clear: another task set this deadline");
}

static int leave_with_deadline(void *unused)
{
    (void)unused;
    struct aio_shield shield;
    struct aio_deadline deadline;
    aio_shield_enter(&shield);
    aio_deadline_set(&deadline, AIO_SEC(1));
    aio_shield_leave(&shield);
    return 0;
}

static int leave_it(void *shield)
{
    aio_shield_leave(shield);
    return 0;
}

static int leave_elsewhere(void *unused)
{
    (void)unused;
    struct aio_shield shield;
    aio_shield_enter(&shield);
    struct aio_task *task = task_named("other", leave_it, &shield);
    return aio_task_join(task, NULL);
}

static int leave_outer_first(void *unused)
{
    (void)unused;
    struct aio_shield outer, inner;
    aio_shield_enter(&outer);
    aio_shield_enter(&inner);
    aio_shield_leave(&outer);
    return 0;
}

/* So are shields. */
BEHAVIOUR_OUTSIDE(shields_out_of_order)
{
    check_aborts(leave_outer_first, "aio_shield_leave: an inner shield is still open");
    check_aborts(leave_with_deadline, "aio_shield_leave: a deadline set inside is still open");
    check_aborts(leave_elsewhere, "aio_shield_leave: another task entered this shield");
}

static int misuse_in_named_task(void *unused)
{
    (void)unused;
    aio_task_rename("culprit");
    return aio_task_join(aio_task_current(), NULL);
}

/* The message names the calling task and the place in the library. */
BEHAVIOUR_OUTSIDE(messages_name_the_task)
{
    struct child child;
    REQUIRE(child_run_task(&child, misuse_in_named_task, NULL));
    child_killed(&child, SIGABRT);
    child_said(&child, "culprit");
    child_said(&child, ".c:");
}
