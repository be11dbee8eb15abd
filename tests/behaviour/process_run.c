/*
 * Running a program to its end with its input and output in memory.
 */
#define SUITE "process_run"
#include "tests/behaviour/process_tools.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int run_shell(struct aio_process_result *result, const char *script,
                     const struct aio_run_options *options)
{
    return aio_process_run(result, AIO_ARGV("sh", "-c", script), options);
}

BEHAVIOUR(output_error_and_status)
{
    struct aio_process_result result;
    AIO_CHECK_OK(run_shell(&result, "echo out; echo err >&2; exit 3", NULL));
    AIO_CHECK_EQ(result.status.code, 3);
    AIO_CHECK_STR(result.output.bytes, "out\n");
    AIO_CHECK_STR(result.error.bytes, "err\n");
    AIO_CHECK_EQ(result.output.size, 4);
    AIO_CHECK(!result.output.truncated && !result.error.truncated && !result.lingered);
    aio_result_free(&result);
    aio_result_free(&result); /* empty by now */
    no_children();
}

BEHAVIOUR(nothing_written)
{
    struct aio_process_result result;
    AIO_CHECK_OK(aio_process_run(&result, AIO_ARGV("cat"), NULL)); /* its input is empty */
    AIO_CHECK_EQ(result.status.code, 0);
    AIO_CHECK_EQ(result.output.size, 0);
    AIO_CHECK_EQ(result.error.size, 0);
    AIO_CHECK(!result.output.truncated && !result.lingered);
    aio_result_free(&result);
}

enum { MUCH = 300000 };

/* More than a pipe holds, there and back. */
BEHAVIOUR(input_comes_back)
{
    struct aio_run_options options = AIO_RUN_OPTIONS;
    struct aio_process_result result;
    char *much = malloc(MUCH);
    REQUIRE(much != NULL);
    test_pattern_fill(much, MUCH, 0);
    options.input = much;
    options.input_bytes = MUCH;
    AIO_CHECK_OK(run_shell(&result, "cat; cat >&2", &options));
    AIO_CHECK_EQ(result.output.size, MUCH);
    AIO_CHECK(result.output.size == MUCH && test_pattern_check(result.output.bytes, MUCH, 0));
    AIO_CHECK_EQ(result.error.size, 0);
    aio_result_free(&result);
    /* A child that reads nothing of it. */
    AIO_CHECK_OK(run_shell(&result, "exec 0<&-; echo done", &options));
    AIO_CHECK_STR(result.output.bytes, "done\n");
    aio_result_free(&result);
    free(much);
    no_children();
}

/* What is not kept is read all the same, so the child is not held up. */
BEHAVIOUR(limits)
{
    struct aio_run_options options = AIO_RUN_OPTIONS;
    struct aio_process_result result;
    options.output_limit = 10;
    options.error_limit = 0;
    AIO_CHECK_OK(run_shell(&result, "head -c 200000 /dev/zero | tr '\\0' x; echo err >&2; exit 4",
                           &options));
    AIO_CHECK_EQ(result.status.code, 4);
    AIO_CHECK_STR(result.output.bytes, "xxxxxxxxxx");
    AIO_CHECK(result.output.truncated && result.error.truncated);
    AIO_CHECK(result.error.bytes == NULL);
    aio_result_free(&result);
    AIO_CHECK_OK(run_shell(&result, "printf 0123456789", &options)); /* just as much */
    AIO_CHECK_STR(result.output.bytes, "0123456789");
    AIO_CHECK(!result.output.truncated && !result.error.truncated);
    aio_result_free(&result);
    options.stop_beyond = true;
    AIO_CHECK_OK(run_shell(&result, "while :; do echo yes; done", &options));
    AIO_CHECK_EQ(result.status.signal, SIGKILL);
    AIO_CHECK_STR(result.output.bytes, "yes\nyes\nye");
    aio_result_free(&result);
    no_children();
}

BEHAVIOUR(not_started)
{
    struct aio_run_options options = AIO_RUN_OPTIONS;
    struct aio_process_result result;
    AIO_CHECK_ERROR(aio_process_run(&result, AIO_ARGV("/nowhere"), NULL), -ENOENT);
    AIO_CHECK(result.output.bytes == NULL && result.status.code == -1);
    aio_result_free(&result);
    options.size = 0;
    AIO_CHECK_ERROR(run_shell(&result, "exit 0", &options), -EINVAL);
    aio_result_free(&result);
}

/* The process's own options hold: what was chosen there is not collected. */
BEHAVIOUR(process_options)
{
    struct aio_run_options options = AIO_RUN_OPTIONS;
    struct aio_process_options process = AIO_PROCESS_OPTIONS;
    struct aio_process_result result;
    process.directory = "/usr";
    process.error = AIO_PROCESS_JOIN;
    options.process = &process;
    AIO_CHECK_OK(run_shell(&result, "pwd -P; echo err >&2", &options));
    AIO_CHECK_STR(result.output.bytes, "/usr\nerr\n");
    AIO_CHECK(result.error.bytes == NULL);
    aio_result_free(&result);
    process.output = AIO_PROCESS_NULL;
    AIO_CHECK_OK(run_shell(&result, "pwd -P; echo err >&2", &options));
    AIO_CHECK(result.output.bytes == NULL && result.error.bytes == NULL);
    aio_result_free(&result);
}

/* A deadline ends the process; what it had written is there. */
BEHAVIOUR(deadline)
{
    struct aio_process_result result;
    int signal = 0; /* none: it struck before there was a process */
    for (int64_t ns = AIO_MS(60); signal == 0 && ns < AIO_SEC(10); ns *= 4) {
        AIO_TIMEOUT(ns)
        {
            AIO_CHECK_ERROR(run_shell(&result, "echo begun; exec sleep 1000", NULL), -ETIMEDOUT);
        }
        signal = result.status.signal;
        aio_result_free(&result);
    }
    AIO_CHECK_EQ(signal, SIGTERM);
    no_children();
}

struct runner {
    const char *script;
    struct aio_run_options options;
    struct aio_process_result result;
    int rc;
};

static int run_in_task(void *arg)
{
    struct runner *runner = arg;
    runner->rc = run_shell(&runner->result, runner->script, &runner->options);
    return 0;
}

/* Once it waits for the process. */
static void cancel_run(struct runner *runner)
{
    struct aio_task *task = task_named("runner", run_in_task, runner);
    AIO_CHECK(task_wait_parked("process-pipe"));
    aio_task_cancel(task);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_ERROR(runner->rc, -ECANCELED);
    no_children();
}

/* A file that a script removes once it has come so far. */
static void marker_make(char *path, size_t size)
{
    test_temporary(path, size, "/tmp");
    close(mkstemp(path));
}

/* It may clean up, and what it says then is collected too. */
BEHAVIOUR(cancel_with_grace)
{
    char path[32], script[256];
    marker_make(path, sizeof path);
    snprintf(script, sizeof script,
             "trap 'echo tidied; exit 6' TERM; rm %s; while :; do sleep 0.01; done", path);
    struct runner runner = {.script = script, .options = AIO_RUN_OPTIONS};
    runner.options.grace_ns = AIO_SEC(15);
    struct aio_task *task = task_named("runner", run_in_task, &runner);
    AIO_CHECK(file_wait_gone(path));
    aio_task_cancel(task);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_ERROR(runner.rc, -ECANCELED);
    AIO_CHECK_EQ(runner.result.status.code, 6);
    AIO_CHECK_STR(runner.result.output.bytes, "tidied\n");
    aio_result_free(&runner.result);
    no_children();
}

BEHAVIOUR(cancel_without_grace)
{
    struct runner runner = {.script = "trap '' TERM; exec sleep 1000", .options = AIO_RUN_OPTIONS};
    runner.options.grace_ns = 0;
    cancel_run(&runner);
    AIO_CHECK_EQ(runner.result.status.signal, SIGKILL);
    aio_result_free(&runner.result);
}

/* Its group takes SIGTERM, it does not, and may not be killed: it is left to itself. */
BEHAVIOUR(cancel_of_somebody_elses)
{
    char path[32], script[256];
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    if (!setpriv_is_there() || !may_signal_others(true))
        return;
    marker_make(path, sizeof path);
    REQUIRE(chown(path, 65534, (gid_t)-1) == 0);
    snprintf(script, sizeof script,
             "sleep 1000 & exec setpriv --reuid 65534 sh -c 'echo $$; rm %s; exec sleep 1000'",
             path);
    options.group = 0;
    struct runner runner = {.script = script, .options = AIO_RUN_OPTIONS};
    runner.options.process = &options;
    runner.options.grace_ns = runner.options.linger_ns = AIO_MS(20);
    struct aio_task *task = task_named("runner", run_in_task, &runner);
    AIO_CHECK(file_wait_gone(path));
    REQUIRE(may_signal_others(false));
    aio_task_cancel(task);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK(may_signal_others(true));
    AIO_CHECK_ERROR(runner.rc, -EPERM);
    REQUIRE(runner.result.output.bytes != NULL);
    pid_t pid = (pid_t)strtol(runner.result.output.bytes, NULL, 10);
    AIO_CHECK(pid > 0 && kill(pid, SIGKILL) == 0 && process_wait_gone(pid));
    aio_result_free(&runner.result);
}

/* A child that neither listens nor holds its streams open any more. */
BEHAVIOUR(deaf_one_that_closes_its_streams)
{
    char path[32], script[256];
    marker_make(path, sizeof path);
    snprintf(script, sizeof script, "trap '' TERM; exec <&- >&- 2>&-; rm %s; exec sleep 1000",
             path);
    struct runner runner = {.script = script, .options = AIO_RUN_OPTIONS};
    runner.options.grace_ns = AIO_MS(10);
    struct aio_task *task = task_named("runner", run_in_task, &runner);
    AIO_CHECK(file_wait_gone(path));
    AIO_TIMEOUT(AIO_MS(2))
    {
        AIO_CHECK_ERROR(aio_task_join(task, NULL), -ETIMEDOUT); /* the streams' end is not its */
    }
    aio_task_cancel(task);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_ERROR(runner.rc, -ECANCELED);
    AIO_CHECK_EQ(runner.result.status.signal, SIGKILL);
    AIO_CHECK(!runner.result.lingered);
    aio_result_free(&runner.result);
    no_children();
}

/* A stream that fails is told, and what came of half an input is not taken for a result. */
BEHAVIOUR(streams_that_fail)
{
    struct aio_run_options options = AIO_RUN_OPTIONS;
    struct aio_process_result result;
    options.input = "word";
    options.input_bytes = 4;
    if (!test_fail_next("write", -EIO, 1))
        return;
    AIO_CHECK_ERROR(run_shell(&result, "cat; exec sleep 1000", &options), -EIO);
    AIO_CHECK_EQ(result.status.signal, SIGKILL);
    AIO_CHECK_EQ(result.output.size, 0);
    aio_result_free(&result);
    AIO_CHECK(test_fail_next("read", -EIO, 1));
    AIO_CHECK_ERROR(run_shell(&result, "exec sleep 1000", &options), -EIO);
    AIO_CHECK_EQ(result.status.signal, SIGKILL);
    aio_result_free(&result);
    no_children();
}

/* What its group has left that does not end when it is asked to is not left alone. */
BEHAVIOUR(cancel_ends_the_group)
{
    char path[32], script[256];
    struct aio_process_options process = AIO_PROCESS_OPTIONS;
    marker_make(path, sizeof path);
    snprintf(script, sizeof script,
             "(trap '' TERM; sh -c 'echo $PPID'; rm %s; exec sleep 1000 >/dev/null 2>&1) & wait",
             path);
    struct runner runner = {.script = script, .options = AIO_RUN_OPTIONS};
    process.group = 0;
    runner.options.process = &process;
    struct aio_task *task = task_named("runner", run_in_task, &runner);
    AIO_CHECK(file_wait_gone(path));
    aio_task_cancel(task);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_ERROR(runner.rc, -ECANCELED);
    AIO_CHECK_EQ(runner.result.status.signal, SIGTERM);
    pid_t grandchild = (pid_t)strtol(runner.result.output.bytes, NULL, 10);
    AIO_CHECK(grandchild > 0 && process_wait_gone(grandchild));
    aio_result_free(&runner.result);
    no_children();
}

/* A grandchild holds the pipes open: they are awaited for a while only, and nothing that the child
 * itself has written is lost, however short that is. */
BEHAVIOUR(grandchild_holds_the_pipes)
{
    struct aio_run_options options = AIO_RUN_OPTIONS;
    struct aio_process_options process = AIO_PROCESS_OPTIONS;
    struct aio_process_result result;
    char wanted[16];
    process.error = AIO_PROCESS_NULL;
    options.process = &process;
    for (int i = 0; i < 4; i++) {
        options.linger_ns = AIO_MS(i);
        AIO_CHECK_OK(run_shell(&result, "sleep 1000 & echo $!; exit 5", &options));
        AIO_CHECK_EQ(result.status.code, 5);
        AIO_CHECK(result.lingered);
        pid_t grandchild = (pid_t)strtol(result.output.bytes, NULL, 10);
        snprintf(wanted, sizeof wanted, "%d\n", (int)grandchild);
        AIO_CHECK_STR(result.output.bytes, wanted);
        AIO_CHECK(grandchild > 0 && kill(grandchild, SIGKILL) == 0);
        aio_result_free(&result);
    }
    no_children();
}

/* Or it goes soon, and is heard to its end. */
BEHAVIOUR(grandchild_goes_soon)
{
    struct aio_run_options options = AIO_RUN_OPTIONS;
    struct aio_process_result result;
    options.linger_ns = AIO_SEC(15);
    AIO_CHECK_OK(run_shell(&result, "(sleep 0.02; echo late) & echo early", &options));
    AIO_CHECK_STR(result.output.bytes, "early\nlate\n");
    AIO_CHECK(!result.lingered);
    aio_result_free(&result);
}

/* The memory for the output is short: it is said, and nothing is left. */
BEHAVIOUR_WITH(memory_is_short, .memory_limit = 400 << 10)
{
    struct aio_run_options options = AIO_RUN_OPTIONS;
    struct aio_process_result result;
    options.output_limit = 100 << 20;
    AIO_CHECK_ERROR(run_shell(&result, "while :; do echo yes; done", &options), -ENOMEM);
    AIO_CHECK_EQ(result.status.signal, SIGKILL);
    AIO_CHECK(result.output.size > 1000 && result.output.truncated);
    aio_result_free(&result);
    no_children();
}

static int run_some(void *sum)
{
    for (int i = 0; i < 4; i++) {
        struct aio_process_result result;
        AIO_CHECK_OK(run_shell(&result, "echo a; echo b >&2", NULL));
        *(size_t *)sum += result.output.size + result.error.size;
        aio_result_free(&result);
    }
    return 0;
}

BEHAVIOUR(many_at_once)
{
    struct aio_scope scope;
    size_t sum = 0;
    REQUIRE_OK(aio_scope_open(&scope, NULL));
    for (int i = 0; i < 8; i++)
        AIO_CHECK_OK(aio_scope_spawn(&scope, run_some, &sum));
    AIO_CHECK_OK(aio_scope_join(&scope));
    AIO_CHECK_EQ(sum, 8 * 4 * 4);
    no_children();
}
