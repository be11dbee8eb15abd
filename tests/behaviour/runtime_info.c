/*
 * What a runtime tells about itself: counters, explanation, dump.
 */
#define SUITE "runtime_info"
#include "tests/behaviour/task_tools.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The struct's size tells its version; one that is not known is refused. */
BEHAVIOUR(stats_of_another_version)
{
    struct aio_runtime_stats stats = {.size = 0};
    AIO_CHECK_ERROR(aio_runtime_stats(&stats), -EINVAL);
    stats.size = sizeof stats + 8;
    AIO_CHECK_ERROR(aio_runtime_stats(&stats), -EINVAL);
    stats.size = sizeof stats;
    AIO_CHECK_OK(aio_runtime_stats(&stats));
    AIO_CHECK_EQ(stats.size, sizeof stats);
}

/* A fresh runtime has one task, which has the thread. */
BEHAVIOUR(stats_at_the_start)
{
    struct aio_runtime_stats stats = task_stats();
    AIO_CHECK_EQ(stats.tasks_live, 1);
    AIO_CHECK_EQ(stats.tasks_started, 1);
    AIO_CHECK_EQ(stats.switches, 1);
    AIO_CHECK_EQ(stats.turns, 1);
    AIO_CHECK_EQ(stats.ops, 0);
    AIO_CHECK_EQ(stats.ops_pending, 0);
    AIO_CHECK_EQ(stats.timers_armed, 0);
    AIO_CHECK_EQ(stats.stacks_mapped, 1);
    AIO_CHECK_EQ(stats.handles_open, 0);
}

static int read_byte(void *arg)
{
    char byte;
    return (int)aio_stream_read(arg, &byte, 1);
}

/* The gauges rise and fall with what is open, pending and armed. */
BEHAVIOUR(gauges)
{
    struct wire wire;
    REQUIRE(wire_open(&wire));
    AIO_CHECK_EQ(task_stats().handles_open, 2);
    struct aio_task *reader = task_named("reader", read_byte, wire.near);
    struct aio_task *sleeper = task_named("sleeper", task_sleep_forever, NULL);
    REQUIRE(reader != NULL && sleeper != NULL);
    REQUIRE(task_wait_parked("reader") && task_wait_parked("sleeper"));
    AIO_CHECK_EQ(task_stats().ops_pending, 1);
    AIO_CHECK_EQ(task_stats().tasks_live, 3);
    AIO_CHECK_EQ(task_stats().timers_armed, 0); /* sleeping for ever takes none */
    AIO_CHECK_EQ(aio_stream_write(wire.far, "x", 1), 1);
    AIO_CHECK_OK(aio_task_join(reader, NULL));
    AIO_CHECK_EQ(task_stats().ops_pending, 0);
    AIO_CHECK_ERROR(task_stop(sleeper), -ECANCELED);
    wire_close(&wire);
    AIO_CHECK_EQ(task_stats().handles_open, 0);
    AIO_CHECK_EQ(task_stats().tasks_live, 1);
}

static int sleep_long(void *unused)
{
    (void)unused;
    return aio_time_sleep(AIO_SEC(1000));
}

/* Each sleeper has a timer. */
BEHAVIOUR(timers_are_counted)
{
    struct aio_task *tasks[7];
    for (int i = 0; i < 7; i++)
        REQUIRE_OK(aio_task_spawn(&tasks[i], sleep_long, NULL, NULL));
    AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK_EQ(task_stats().timers_armed, 7);
    for (int i = 0; i < 7; i++)
        AIO_CHECK_ERROR(task_stop(tasks[i]), -ECANCELED);
    AIO_CHECK_EQ(task_stats().timers_armed, 0);
}

/* The counters only grow, and stand in the proportions their names say. */
BEHAVIOUR(counters_grow)
{
    struct wire wire;
    REQUIRE(wire_open(&wire));
    struct aio_runtime_stats before = task_stats();
    for (int i = 0; i < 100; i++) {
        char byte;
        AIO_CHECK_EQ(aio_stream_write(wire.near, "x", 1), 1);
        AIO_CHECK_EQ(aio_stream_read(wire.far, &byte, 1), 1);
    }
    for (int i = 0; i < 10; i++)
        AIO_CHECK_OK(aio_time_sleep(AIO_US(10)));
    struct aio_runtime_stats after = task_stats();
    AIO_CHECK_EQ(after.ops - before.ops, 200);
    AIO_CHECK(after.instant_ops - before.instant_ops <= 200);
    AIO_CHECK(after.turns - before.turns >= 10);
    AIO_CHECK(after.polls - before.polls >= 10);
    AIO_CHECK(after.polls - before.polls <= after.turns - before.turns);
    AIO_CHECK(after.switches - before.switches >= 10);
    AIO_CHECK_EQ(after.tasks_started, before.tasks_started);
    wire_close(&wire);
}

/* The backend is the one asked for. */
BEHAVIOUR(backend_name)
{
    AIO_CHECK_STR(aio_runtime_backend(), test_row()->backend);
}

/* The explanation names the backend, ends in a line's end, and is cut as snprintf(3) cuts. */
BEHAVIOUR(explanation)
{
    char whole[4096], part[64];
    size_t length = aio_runtime_explain(whole, sizeof whole);
    REQUIRE(length > 0 && length < sizeof whole);
    AIO_CHECK_EQ(strlen(whole), length);
    AIO_CHECK(strstr(whole, aio_runtime_backend()) != NULL);
    AIO_CHECK_EQ(whole[length - 1], '\n');
    AIO_CHECK_EQ(aio_runtime_explain(NULL, 0), length);
    for (size_t size = 1; size <= sizeof part; size++) {
        memset(part, '#', sizeof part);
        AIO_CHECK_EQ(aio_runtime_explain(part, size), length);
        size_t kept = length < size ? length : size - 1;
        AIO_CHECK(memcmp(part, whole, kept) == 0 && part[kept] == '\0');
        AIO_CHECK(kept + 1 == sizeof part || part[kept + 1] == '#');
    }
}

struct pages {
    char text[8192];
    int fd;
};

static bool open_pages(struct pages *pages)
{
    pages->fd = memfd_create("dump", MFD_CLOEXEC);
    return AIO_CHECK(pages->fd >= 0);
}

static void close_pages(struct pages *pages)
{
    ssize_t length = pread(pages->fd, pages->text, sizeof pages->text - 1, 0);
    pages->text[length > 0 ? length : 0] = '\0';
    close(pages->fd);
}

static bool line_says(const char *text, const char *name, const char *what)
{
    char start[64];
    snprintf(start, sizeof start, "'%s'", name);
    const char *line = strstr(text, start);
    const char *found = line != NULL ? strstr(line, what) : NULL;
    return found != NULL && found < line + strcspn(line, "\n");
}

static int sleep_with_deadline(void *unused)
{
    (void)unused;
    AIO_TIMEOUT(AIO_SEC(1000))
    {
        return aio_time_sleep(AIO_FOREVER);
    }
    return -1;
}

/* The dump has a line for each task: its name, what it does, its deadline. */
BEHAVIOUR(dump)
{
    struct wire wire;
    struct pages pages;
    REQUIRE(wire_open(&wire) && open_pages(&pages));
    struct aio_task *tasks[] = {task_named("reads", read_byte, wire.near),
                                task_named("sleeps", sleep_with_deadline, NULL)};
    REQUIRE(tasks[0] != NULL && tasks[1] != NULL);
    aio_task_rename("looks");
    REQUIRE(task_wait_parked("reads") && task_wait_parked("sleeps"));
    aio_runtime_dump(pages.fd);
    close_pages(&pages);
    AIO_CHECK(line_says(pages.text, "looks", "running"));
    AIO_CHECK(line_says(pages.text, "reads", "read"));
    AIO_CHECK(!line_says(pages.text, "reads", "deadline"));
    AIO_CHECK(line_says(pages.text, "sleeps", "sleep"));
    AIO_CHECK(line_says(pages.text, "sleeps", "deadline"));
    AIO_CHECK_ERROR(task_stop(tasks[0]), -ECANCELED);
    AIO_CHECK_ERROR(task_stop(tasks[1]), -ECANCELED);
    wire_close(&wire);
}

static int dump_fd;

static void dump_in_handler(int number)
{
    (void)number;
    aio_runtime_dump(dump_fd);
}

/* It may be called from a signal handler on the runtime's thread. */
BEHAVIOUR(dump_from_a_signal_handler)
{
    struct pages pages;
    struct sigaction action = {.sa_handler = dump_in_handler}, before;
    REQUIRE(open_pages(&pages));
    dump_fd = pages.fd;
    aio_task_rename("interrupted");
    REQUIRE(sigaction(SIGUSR1, &action, &before) == 0);
    raise(SIGUSR1);
    sigaction(SIGUSR1, &before, NULL);
    close_pages(&pages);
    AIO_CHECK(line_says(pages.text, "interrupted", "running"));
}
