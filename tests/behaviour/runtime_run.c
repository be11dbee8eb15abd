/*
 * Running a runtime: what goes in, what comes out, one after another and beside each other.
 */
#define SUITE "runtime"
#include "tests/behaviour/task_tools.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static int give_back(void *arg)
{
    return *(int *)arg;
}

/* What entry returned is passed on, whatever int that is. */
BEHAVIOUR_OUTSIDE(result_is_passed_on)
{
    int values[] = {0, 1, 256, -1, -EBUSY, INT_MAX, INT_MIN};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        AIO_CHECK_EQ(test_run(give_back, &values[i]), values[i]);
}

static int set_flag(void *arg)
{
    *(bool *)arg = true;
    return 0;
}

static int run_nested(void *arg)
{
    bool *ran = arg;
    struct aio_runtime_options options = test_options();
    AIO_CHECK_ERROR(aio_runtime_run(&options, set_flag, ran), -EBUSY);
    AIO_CHECK_ERROR(aio_runtime_run(NULL, set_flag, ran), -EBUSY);
    AIO_CHECK_OK(aio_task_yield()); /* this one is as before */
    return 0;
}

/* A thread that runs a runtime cannot run another inside it. */
BEHAVIOUR_OUTSIDE(nested_runtime_is_refused)
{
    bool ran = false;
    AIO_CHECK_OK(test_run(run_nested, &ran));
    AIO_CHECK(!ran);
}

static int do_some_of_everything(void *unused)
{
    struct wire wire;
    char byte = 0;
    (void)unused;
    if (!wire_open(&wire))
        return -1;
    for (int i = 0; i < 10; i++)
        if (!AIO_CHECK_OK(aio_task_spawn(NULL, task_sleep_forever, NULL, NULL)))
            return -1;
    AIO_CHECK_EQ(aio_stream_write(wire.near, "x", 1), 1);
    AIO_CHECK_EQ(aio_stream_read(wire.far, &byte, 1), 1);
    AIO_CHECK_OK(aio_time_sleep(AIO_US(10)));
    return byte == 'x' ? 0 : -1; /* the streams are left open */
}

static int count_entries(const char *folder)
{
    int count = 0;
    DIR *dir = opendir(folder);
    while (dir != NULL && readdir(dir) != NULL)
        count++;
    if (dir != NULL)
        closedir(dir);
    return count;
}

static int count_lines(const char *path)
{
    int count = 0, c;
    FILE *file = fopen(path, "re");
    while (file != NULL && (c = fgetc(file)) != EOF)
        count += c == '\n';
    if (file != NULL)
        fclose(file);
    return count;
}

/* Two hundred runtimes one after the other leave no descriptor and no mapping behind. */
BEHAVIOUR_OUTSIDE(two_hundred_in_sequence)
{
    for (int i = 0; i < 10; i++)
        REQUIRE_OK(test_run(do_some_of_everything, NULL));
    int files = count_entries("/proc/self/fd");
    int maps = count_lines("/proc/self/maps");
    for (int i = 0; i < 200; i++)
        REQUIRE_OK(test_run(do_some_of_everything, NULL));
    AIO_CHECK_EQ(count_entries("/proc/self/fd"), files);
    AIO_CHECK(count_lines("/proc/self/maps") < maps + 100);
}

struct meeting {
    pthread_barrier_t barrier;
    int results[2];
};

static int meet(void *arg)
{
    struct meeting *meeting = arg;
    pthread_barrier_wait(&meeting->barrier); /* both runtimes are up */
    for (int i = 0; i < 20; i++)
        if (do_some_of_everything(NULL) != 0)
            return -1;
    pthread_barrier_wait(&meeting->barrier);
    return 6;
}

static void *run_meeting(void *arg)
{
    struct meeting *meeting = arg;
    meeting->results[1] = test_run(meet, meeting);
    return NULL;
}

/* Two threads run a runtime each at the same time and do not know of each other. */
BEHAVIOUR_OUTSIDE(two_threads_at_once)
{
    struct meeting meeting;
    pthread_t thread;
    REQUIRE(pthread_barrier_init(&meeting.barrier, NULL, 2) == 0);
    REQUIRE(pthread_create(&thread, NULL, run_meeting, &meeting) == 0);
    meeting.results[0] = test_run(meet, &meeting);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&meeting.barrier);
    AIO_CHECK_EQ(meeting.results[0], 6);
    AIO_CHECK_EQ(meeting.results[1], 6);
}

static void *run_on_thread(void *arg)
{
    *(int *)arg = test_run(do_some_of_everything, NULL);
    return NULL;
}

/* A thread may be any, and may end after its runtime has. */
BEHAVIOUR_OUTSIDE(threads_one_after_another)
{
    for (int i = 0; i < 10; i++) {
        pthread_t thread;
        int result = -1;
        REQUIRE(pthread_create(&thread, NULL, run_on_thread, &result) == 0);
        pthread_join(thread, NULL);
        AIO_CHECK_EQ(result, 0);
    }
}

/* Options that cannot be meant are refused, and entry does not run. */
static void check_refused(struct aio_runtime_options options, int wanted)
{
    bool ran = false;
    AIO_CHECK_ERROR(aio_runtime_run(&options, set_flag, &ran), wanted);
    AIO_CHECK(!ran);
}

static int refuse_bad_options(void *unused)
{
    struct aio_runtime_options good = test_options(), bad;
    const size_t stacks[] = {1, 4096, (16 << 10) - 1, SIZE_MAX};
    const uint32_t entries[] = {1, 4, 7, 1000, 65536, UINT32_MAX};
    const char *const backends[] = {"", "bogus", "uring,epoll", "io_uring ", "EPOLL"};
    (void)unused;
    for (size_t i = 0; i < sizeof stacks / sizeof stacks[0]; i++)
        bad = good, bad.stack_bytes = stacks[i], check_refused(bad, -EINVAL);
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++)
        bad = good, bad.ring_entries = entries[i], check_refused(bad, -EINVAL);
    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++)
        bad = good, bad.backend = backends[i], check_refused(bad, -EINVAL);
    bad = good, bad.caps = "all,-bogus", check_refused(bad, -EINVAL);
    bad = good, bad.flags = 1u << 30, check_refused(bad, -EINVAL);
    bad = good, bad.offload_threads = UINT32_MAX, check_refused(bad, -EINVAL);
    bad = good, bad.offload_idle_ns = -1, check_refused(bad, -EINVAL);
    bad = good, bad.size = 0, check_refused(bad, -EINVAL);
    bad = good, bad.size = sizeof bad + 8, check_refused(bad, -EINVAL);
    return 0;
}

/* Each refusal comes with a sentence on standard error, a bad backend's lists the choices. */
BEHAVIOUR_OUTSIDE(bad_options)
{
    struct child child;
    REQUIRE(child_run(&child, refuse_bad_options, NULL));
    child_exited(&child, 0);
    child_said(&child, "stack_bytes");
    child_said(&child, "ring_entries");
    child_said(&child, "bogus");
    child_said(&child, "uring");
    child_said(&child, "epoll");
    AIO_CHECK(strstr(child.text, "check failed") == NULL);
}

static int explain_to_text(void *arg)
{
    (void)aio_runtime_explain(arg, 256);
    return 0;
}

/* The whole range of what can be meant works. */
BEHAVIOUR_OUTSIDE(good_options)
{
    struct aio_runtime_options options;
    char text[256] = "";
    const uint32_t entries[] = {8, 64, 4096};
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        options = test_options();
        options.ring_entries = entries[i];
        options.stack_bytes = (size_t)256 << 10;
        options.task_limit = 20;
        options.stack_cache = 1;
        options.offload_threads = 1;
        AIO_CHECK_OK(aio_runtime_run(&options, do_some_of_everything, NULL));
    }
    options = test_options();
    options.caps = "none";
    AIO_CHECK_OK(aio_runtime_run(&options, explain_to_text, text));
    AIO_CHECK(text[0] != '\0');
}
