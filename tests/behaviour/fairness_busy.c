/*
 * Nobody starves: neither by tasks that are always ready, nor by I/O that always succeeds at once.
 */
#define SUITE "fairness"
#include "tests/behaviour/task_tools.h"

#include <aio/file.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

/* A task that writes and reads on its own wire: there is always a byte, and always room. */
struct busy {
    struct wire wire;
    uint64_t rounds;
    struct aio_task *task;
};

static int spin_on_io(void *arg)
{
    struct busy *busy = arg;
    for (;;) {
        char byte;
        ssize_t rc = aio_stream_write(busy->wire.near, "x", 1);
        if (rc > 0)
            rc = aio_stream_read(busy->wire.far, &byte, 1);
        if (rc < 0)
            return (int)rc;
        busy->rounds++;
    }
}

static bool start_busy(struct busy *busy)
{
    *busy = (struct busy){.rounds = 0};
    if (!wire_open(&busy->wire))
        return false;
    busy->task = task_named("busy", spin_on_io, busy);
    return busy->task != NULL;
}

static void stop_busy(struct busy *busy)
{
    AIO_CHECK_ERROR(task_stop(busy->task), -ECANCELED);
    wire_close(&busy->wire);
}

static int count_yields(void *arg)
{
    uint64_t *count = arg;
    int rc;
    while ((rc = aio_task_yield()) == 0)
        ++*count;
    return rc;
}

/* Two tasks whose I/O always succeeds at once keep neither a timer nor a third task waiting. */
BEHAVIOUR(instant_io_starves_nobody)
{
    struct busy busy[2];
    uint64_t turns = 0;
    REQUIRE(start_busy(&busy[0]) && start_busy(&busy[1]));
    struct aio_task *third = task_named("third", count_yields, &turns);
    REQUIRE(third != NULL);
    for (int i = 0; i < 10; i++) {
        int64_t start = aio_time_now();
        AIO_CHECK_OK(aio_time_sleep(AIO_MS(2)));
        AIO_CHECK(aio_time_now() - start < AIO_SEC(10) * test_slowness());
    }
    uint64_t rounds = busy[0].rounds + busy[1].rounds;
    AIO_CHECK(busy[0].rounds > 0 && busy[1].rounds > 0);
    AIO_CHECK(turns > 0 && rounds / 200 <= turns);
    AIO_CHECK_ERROR(task_stop(third), -ECANCELED);
    stop_busy(&busy[0]);
    stop_busy(&busy[1]);
}

/* Tasks that are always ready get shares of the same order. */
BEHAVIOUR(busy_streams_share)
{
    enum { COUNT = 8 };
    struct busy busy[COUNT];
    uint64_t total = 0, least = UINT64_MAX;
    for (int i = 0; i < COUNT; i++)
        REQUIRE(start_busy(&busy[i]));
    int64_t limit = aio_time_now() + AIO_SEC(5) * test_slowness();
    while (total < 4000 && aio_time_now() < limit) {
        AIO_CHECK_OK(aio_time_sleep(AIO_MS(1)));
        total = 0;
        for (int i = 0; i < COUNT; i++)
            total += busy[i].rounds;
    }
    for (int i = 0; i < COUNT; i++)
        least = busy[i].rounds < least ? busy[i].rounds : least;
    AIO_CHECK(least >= total / COUNT / 10);
    for (int i = 0; i < COUNT; i++)
        stop_busy(&busy[i]);
}

static int echo(void *arg)
{
    char byte;
    ssize_t rc;
    while ((rc = aio_stream_read(arg, &byte, 1)) > 0)
        if ((rc = aio_stream_write(arg, &byte, 1)) < 0)
            break;
    return (int)rc;
}

/* Tasks that only yield keep neither I/O nor timers waiting: round trips and sleeps go on, and in
 * each turn of the loop the yielders have had a bounded number of runs. */
BEHAVIOUR(yielders_starve_nobody)
{
    struct wire wire;
    struct aio_task *yielders[10];
    uint64_t yields = 0;
    REQUIRE(wire_open(&wire));
    for (int i = 0; i < 10; i++)
        REQUIRE_OK(aio_task_spawn(&yielders[i], count_yields, &yields, NULL));
    struct aio_task *server = task_named("echo", echo, wire.far);
    REQUIRE(server != NULL);
    struct aio_runtime_stats before = task_stats();
    uint64_t yields_before = yields;
    for (int i = 0; i < 50; i++) {
        char byte;
        int64_t start = aio_time_now();
        REQUIRE(AIO_CHECK_EQ(aio_stream_write(wire.near, "x", 1), 1));
        REQUIRE(AIO_CHECK_EQ(aio_stream_read(wire.near, &byte, 1), 1));
        AIO_CHECK_OK(aio_time_sleep(AIO_US(100)));
        AIO_CHECK(aio_time_now() - start < AIO_SEC(10) * test_slowness());
    }
    struct aio_runtime_stats after = task_stats();
    AIO_CHECK(yields > yields_before);
    AIO_CHECK((yields - yields_before) / (after.turns - before.turns) <= 1000);
    AIO_CHECK(after.polls > before.polls);
    for (int i = 0; i < 10; i++)
        AIO_CHECK_ERROR(task_stop(yielders[i]), -ECANCELED);
    AIO_CHECK_ERROR(task_stop(server), -ECANCELED);
    wire_close(&wire);
}

struct relay {
    uint64_t runs;
    bool stop;
};

static int pass_on(void *arg)
{
    struct relay *relay = arg;
    relay->runs++;
    return relay->stop ? 0 : aio_task_spawn(NULL, pass_on, relay, NULL);
}

/* Tasks that spawn their successors for ever leave time for timers. */
BEHAVIOUR(endless_spawns_starve_nobody)
{
    struct relay relay = {0, false};
    for (int i = 0; i < 3; i++)
        REQUIRE_OK(aio_task_spawn(NULL, pass_on, &relay, NULL));
    for (int i = 0; i < 5; i++) {
        int64_t start = aio_time_now();
        AIO_CHECK_OK(aio_time_sleep(AIO_MS(1)));
        AIO_CHECK(aio_time_now() - start < AIO_SEC(10) * test_slowness());
    }
    relay.stop = true;
    AIO_CHECK(relay.runs > 3);
    while (task_stats().tasks_live > 1)
        REQUIRE_OK(aio_task_yield());
    AIO_CHECK(task_stats().stacks_mapped <= 64);
}

/* Long reads of what is cached are long work, however few they are: the loop takes its turns
 * meanwhile, also when all turns before were short. */
BEHAVIOUR(cached_reads_starve_nobody)
{
    const size_t size = (size_t)32 << 20;
    const uint64_t wanted = 4; /* at least once per 8 MiB */
    struct aio_file *file;
    char *memory = calloc(1, size);
    REQUIRE(memory != NULL);
    REQUIRE_OK(aio_file_open(&file, "/tmp", O_TMPFILE | O_RDWR, 0600));
    AIO_CHECK_EQ(aio_file_write_at(file, memory, size, 0), (ssize_t)size);
    for (int i = 0; i < 100; i++)
        AIO_CHECK_OK(aio_time_sleep(AIO_US(10)));
    uint64_t before = task_stats().turns;
    AIO_CHECK_EQ(aio_file_read_at(file, memory, size, 0), (ssize_t)size);
    AIO_CHECK(task_stats().turns - before >= wanted);
    AIO_CHECK_OK(aio_file_close(file));
    free(memory);
}

/* A deadline ends a task's endless I/O although no call of it ever waits. */
BEHAVIOUR(deadline_ends_instant_io)
{
    struct busy busy = {.rounds = 0};
    REQUIRE(wire_open(&busy.wire));
    int64_t start = aio_time_now();
    AIO_TIMEOUT(AIO_MS(5))
    {
        AIO_CHECK_ERROR(spin_on_io(&busy), -ETIMEDOUT);
    }
    AIO_CHECK(aio_time_now() - start >= AIO_MS(5));
    AIO_CHECK(aio_time_now() - start < AIO_SEC(10) * test_slowness());
    wire_close(&busy.wire);
}

/* So does one that a task sets while it yields for ever. */
BEHAVIOUR(deadline_ends_endless_yields)
{
    uint64_t yields = 0;
    AIO_TIMEOUT(AIO_MS(5))
    {
        AIO_CHECK_ERROR(count_yields(&yields), -ETIMEDOUT);
    }
    AIO_CHECK(yields > 0);
}
