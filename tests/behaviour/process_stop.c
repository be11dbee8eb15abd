/*
 * Ending processes: asked first, then killed, alone and with their group.
 */
#define SUITE "process_stop"
#include "tests/behaviour/process_tools.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

BEHAVIOUR(stop_asks_first)
{
    struct aio_process_status status;
    struct aio_process *process = endless_spawn();
    REQUIRE(process != NULL);
    AIO_CHECK_OK(aio_process_stop(process, AIO_SEC(10), &status));
    AIO_CHECK_EQ(status.signal, SIGTERM);
    AIO_CHECK_OK(aio_process_stop(process, AIO_SEC(10), NULL)); /* again */
    aio_process_close(process);
    process = endless_spawn();
    REQUIRE(process != NULL);
    AIO_CHECK_OK(aio_process_stop(process, 0, &status));
    AIO_CHECK_EQ(status.signal, SIGKILL);
    aio_process_close(process);
    no_children();
}

/* A child that says when it is prepared. Its words stand in `out`. */
struct prepared {
    int out;
    struct aio_process *process;
};

static bool has_spoken(void *arg)
{
    char byte;
    return pread(((struct prepared *)arg)->out, &byte, 1, 0) == 1;
}

static bool prepared_start(struct prepared *prepared, const char *script, pid_t group)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    prepared->out = options.output = output_open();
    options.group = group;
    prepared->process = shell_spawn(script, &options);
    return prepared->process != NULL && test_wait(has_spoken, prepared);
}

static void prepared_close(struct prepared *prepared)
{
    aio_process_close(prepared->process);
    close(prepared->out);
}

BEHAVIOUR(stop_of_one_that_ignores_it)
{
    struct prepared deaf;
    struct aio_process_status status;
    REQUIRE(prepared_start(&deaf, "trap '' TERM; echo; exec sleep 1000", -1));
    AIO_CHECK_OK(aio_process_stop(deaf.process, AIO_MS(20), &status));
    AIO_CHECK_EQ(status.signal, SIGKILL);
    prepared_close(&deaf);
    no_children();
}

/* It cleans up and exits; cancellation does not cut the grace short. */
static int stop_canceled(void *arg)
{
    struct prepared *tidy = arg;
    struct aio_process_status status;
    aio_task_cancel(aio_task_current());
    AIO_CHECK_OK(aio_process_stop(tidy->process, AIO_SEC(10), &status));
    AIO_CHECK_EQ(status.code, 3);
    return 0;
}

BEHAVIOUR(stop_is_shielded)
{
    struct prepared tidy;
    REQUIRE(prepared_start(&tidy, "trap 'exit 3' TERM; echo; while :; do sleep 0.01; done", -1));
    struct aio_task *task = task_named("stopper", stop_canceled, &tidy);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    prepared_close(&tidy);
}

/* The group's leader is gone; its child, which ignores SIGTERM, is still reached. */
BEHAVIOUR(group_outlives_its_leader)
{
    struct prepared family;
    char text[64];
    REQUIRE(prepared_start(&family, "(trap '' TERM; exec sleep 1000) & echo $!; exit 5", 0));
    AIO_CHECK_OK(aio_process_wait(family.process, NULL));
    AIO_CHECK(pread(family.out, text, sizeof text, 0) > 0);
    pid_t member = (pid_t)strtol(text, NULL, 10);
    AIO_CHECK(member > 0 && kill(member, 0) == 0);
    AIO_CHECK_ERROR(aio_process_kill(family.process, SIGTERM), -ESRCH);
    AIO_CHECK_OK(aio_process_killpg(family.process, SIGKILL));
    AIO_CHECK(process_wait_gone(member));
    prepared_close(&family);
    no_children();
}

/* Close of a leader that runs takes its group along. */
BEHAVIOUR(close_ends_the_group)
{
    struct prepared family;
    char text[64] = "";
    REQUIRE(prepared_start(&family, "sleep 1000 & echo $!; wait", 0));
    AIO_CHECK(pread(family.out, text, sizeof text - 1, 0) > 0);
    pid_t member = (pid_t)strtol(text, NULL, 10);
    AIO_CHECK(member > 0 && kill(member, 0) == 0);
    prepared_close(&family);
    AIO_CHECK(process_wait_gone(member));
    no_children();
}

/* A leader that has left its group, which is empty now, is reached all the same. */
BEHAVIOUR(leader_that_left_its_group)
{
    for (int i = 0; i < 2; i++) {
        struct prepared loner;
        REQUIRE(prepared_start(&loner,
                               "exec perl -e 'setpgrp(0, getpgrp(getppid())); $| = 1; "
                               "print \"x\"; sleep 1000'",
                               0));
        pid_t pid = aio_process_pid(loner.process);
        AIO_CHECK(getpgid(pid) == getpgrp());
        if (i == 0)
            AIO_CHECK_OK(aio_process_stop(loner.process, AIO_SEC(10), NULL));
        prepared_close(&loner);
        AIO_CHECK(kill(pid, 0) < 0 && errno == ESRCH);
    }
    no_children();
}

/* Where somebody else took the leader's status, its number may be another's by now. */
BEHAVIOUR(status_of_a_leader_taken_by_somebody)
{
    struct prepared family;
    char text[64] = "";
    REQUIRE(prepared_start(&family, "sleep 1000 & echo $!", 0));
    pid_t leader = aio_process_pid(family.process);
    AIO_CHECK_EQ(waitpid(leader, NULL, 0), leader);
    AIO_CHECK_ERROR(aio_process_killpg(family.process, SIGKILL), -ESRCH);
    AIO_CHECK(pread(family.out, text, sizeof text - 1, 0) > 0);
    pid_t member = (pid_t)strtol(text, NULL, 10);
    prepared_close(&family);
    AIO_CHECK(member > 0 && kill(member, SIGKILL) == 0);
    AIO_CHECK(process_wait_gone(member));
}

/* Its group takes SIGTERM, as one of ours is in it; the leader has become somebody else's. */
BEHAVIOUR(stop_of_one_that_may_not_be_killed)
{
    struct prepared other;
    if (!setpriv_is_there() || !may_signal_others(true))
        return;
    REQUIRE(prepared_start(
        &other, "sleep 1000 & exec setpriv --reuid 65534 sh -c 'printf x; exec sleep 1000'", 0));
    REQUIRE(may_signal_others(false));
    AIO_CHECK_ERROR(aio_process_stop(other.process, AIO_MS(20), NULL), -EPERM);
    AIO_CHECK_ERROR(aio_process_stop(other.process, 0, NULL), -EPERM);
    AIO_CHECK(may_signal_others(true));
    prepared_close(&other); /* which kills it */
    no_children();
}

/* That it may not be sent signals does not matter when it has ended. */
BEHAVIOUR(stop_of_somebody_who_has_ended)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    if (!may_signal_others(true))
        return;
    options.uid = options.gid = 65534;
    for (int64_t grace_ns = 0; grace_ns <= AIO_SEC(1); grace_ns += AIO_SEC(1)) {
        struct aio_process_status status = {.code = -1};
        struct aio_process *process = shell_spawn("exit 4", &options);
        REQUIRE(process != NULL && process_wait_gone(aio_process_pid(process)));
        REQUIRE(may_signal_others(false));
        AIO_CHECK_OK(aio_process_stop(process, grace_ns, &status));
        AIO_CHECK(may_signal_others(true));
        AIO_CHECK_EQ(status.code, 4);
        aio_process_close(process);
    }
    no_children();
}
