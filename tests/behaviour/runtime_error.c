/*
 * Errors as words and exit codes; AIO_MAIN's way of running; what the environment sets.
 */
#define SUITE "runtime_error"
#include "tests/behaviour/task_tools.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Texts and names of codes, of success, and of what libc does not know. */
BEHAVIOUR_OUTSIDE(texts_and_names)
{
    AIO_CHECK_STR(aio_error_text(-ECONNRESET), "Connection reset by peer");
    AIO_CHECK_STR(aio_error_name(-ECONNRESET), "ECONNRESET");
    AIO_CHECK_STR(aio_error_name(-ECANCELED), "ECANCELED");
    AIO_CHECK_STR(aio_error_text(0), "Success");
    AIO_CHECK_STR(aio_error_text(17), "Success");
    AIO_CHECK_STR(aio_error_name(0), "OK");
    AIO_CHECK_STR(aio_error_name(17), "OK");
    AIO_CHECK_STR(aio_error_text(-99999), "Unknown error");
    AIO_CHECK_STR(aio_error_name(-99999), "E?");
    AIO_CHECK_STR(aio_error_name(INT32_MIN), "E?");
}

static int exit_code_of(void *arg)
{
    return aio_error_exit(*(int *)arg, "listen");
}

/* An error is one sentence on standard error and exit code 1. Success, and having been asked to
 * stop, is 0 and says nothing. */
BEHAVIOUR_OUTSIDE(exit_codes)
{
    struct child child;
    int codes[] = {-EADDRINUSE, 0, 12, -ECANCELED};
    REQUIRE(child_run(&child, exit_code_of, &codes[0]));
    child_exited(&child, 1);
    AIO_CHECK_STR(child.text, "listen: Address already in use (EADDRINUSE)\n");
    for (int i = 1; i < 4; i++) {
        REQUIRE(child_run(&child, exit_code_of, &codes[i]));
        child_exited(&child, 0);
        AIO_CHECK_STR(child.text, "");
    }
}

static int main_body(int argc, char **argv)
{
    if (aio_task_current() == NULL || strcmp(aio_runtime_backend(), test_row()->backend) != 0)
        return 99;
    return argc == 2 ? atoi(argv[1]) : 98;
}

static int run_main(void *arg)
{
    char name[] = "program";
    char *argv[] = {name, arg, NULL};
    setenv("AIO_BACKEND", test_row()->backend, 1);
    setenv("AIO_CAPS", test_row()->caps, 1);
    return aio_runtime_main(2, argv, main_body);
}

/* The body of AIO_MAIN gets the arguments and a runtime; its result is the exit code when it can
 * be one, else 1. The environment chooses the backend. */
BEHAVIOUR_OUTSIDE(main_gives_the_exit_code)
{
    const struct {
        const char *argument;
        int code;
    } cases[] = {{"0", 0}, {"7", 7}, {"255", 255}, {"256", 1}, {"-5", 1}};
    struct child child;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char argument[8];
        (void)snprintf(argument, sizeof argument, "%s", cases[i].argument);
        REQUIRE(child_run(&child, run_main, argument));
        child_exited(&child, cases[i].code);
    }
}

static int no_runtime(void *variable)
{
    char name[] = "program";
    char *argv[] = {name, name, NULL};
    setenv(variable, "bogus", 1);
    return aio_runtime_main(2, argv, main_body);
}

/* A value in the environment that cannot be meant: no runtime, exit code 1, and a sentence. */
BEHAVIOUR_OUTSIDE(bad_environment)
{
    const char *const variables[] = {"AIO_BACKEND", "AIO_CAPS", "AIO_LOG"};
    for (int i = 0; i < 3; i++) {
        struct child child;
        char variable[16];
        (void)snprintf(variable, sizeof variable, "%s", variables[i]);
        REQUIRE(child_run(&child, no_runtime, variable));
        child_exited(&child, 1);
        child_said(&child, "bogus");
    }
}

static int never_run(void *unused)
{
    (void)unused;
    return 0;
}

static int fail_silently(void *unused)
{
    struct aio_runtime_options options = test_options();
    (void)unused;
    setenv("AIO_LOG", "off", 1);
    options.backend = "bogus";
    return aio_runtime_run(&options, never_run, NULL) == -EINVAL ? 0 : 1;
}

/* AIO_LOG=off silences the sentence. */
BEHAVIOUR_OUTSIDE(silence)
{
    struct child child;
    REQUIRE(child_run(&child, fail_silently, NULL));
    child_exited(&child, 0);
    AIO_CHECK_STR(child.text, "");
}

static int run_quietly(void *unused)
{
    (void)unused;
    return test_run(never_run, NULL);
}

static int run_loudly(void *unused)
{
    (void)unused;
    setenv("AIO_LOG", "info", 1);
    return test_run(never_run, NULL);
}

/* AIO_LOG=info prints the explanation at the start; without it a runtime says nothing. */
BEHAVIOUR_OUTSIDE(log_of_the_start)
{
    struct child child;
    unsetenv("AIO_LOG");
    REQUIRE(child_run(&child, run_quietly, NULL));
    child_exited(&child, 0);
    AIO_CHECK_STR(child.text, "");
    REQUIRE(child_run(&child, run_loudly, NULL));
    child_exited(&child, 0);
    child_said(&child, test_row()->backend);
}
