/*
 * The allocator hook: all of a core's blocks come from it, are known to it by their size, and go
 * back to it, on the core's thread.
 */
#define SUITE "memory_hook"
#include "tests/behaviour/task_tools.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

/* Blocks from malloc with their size in front. */
struct stock {
    pthread_t thread;
    uint64_t bytes;
    uint64_t most;
    uint64_t limit; /* more than that it does not have; 0: no limit */
    unsigned calls;
};

static void stock_note(struct stock *stock, size_t old_bytes, size_t new_bytes)
{
    AIO_CHECK(pthread_equal(stock->thread, pthread_self()));
    stock->calls++;
    stock->bytes += new_bytes - old_bytes;
    if (stock->bytes > stock->most)
        stock->most = stock->bytes;
}

static void *stock_resize(void *context, void *block, size_t old_bytes, size_t new_bytes)
{
    struct stock *stock = context;
    size_t *sized = block != NULL ? (size_t *)block - 2 : NULL;
    AIO_CHECK_EQ(sized != NULL ? *sized : 0, old_bytes);
    if (stock->limit > 0 && stock->bytes + new_bytes > stock->limit + old_bytes)
        return NULL;
    stock_note(stock, old_bytes, new_bytes);
    if (new_bytes == 0) {
        free(sized);
        return NULL;
    }
    sized = realloc(sized, new_bytes + 2 * sizeof *sized);
    if (sized == NULL)
        abort();
    *sized = new_bytes;
    return sized + 2;
}

static struct aio_runtime_options stock_options(struct stock *stock)
{
    struct aio_runtime_options options = test_options();
    stock->thread = pthread_self();
    options.allocator = (struct aio_allocator){stock_resize, stock};
    return options;
}

static int talk_over_a_wire(void *arg)
{
    struct stock *stock = arg;
    struct wire wire;
    char byte = 0;
    uint64_t before = stock->bytes;
    AIO_CHECK(before > 0);
    if (!wire_open(&wire))
        return 1;
    AIO_CHECK(stock->bytes > before);
    AIO_CHECK_EQ(aio_stream_write(wire.near, "x", 1), 1);
    AIO_CHECK_EQ(aio_stream_read(wire.far, &byte, 1), 1);
    AIO_CHECK_EQ(byte, 'x');
    struct aio_runtime_stats stats = task_stats();
    AIO_CHECK(stats.memory_used > stock->bytes); /* it counts stacks too */
    AIO_CHECK((stats.memory_used - stock->bytes) % 4096 == 0);
    AIO_CHECK(stats.memory_peak >= stock->most);
    wire_close(&wire);
    return 0;
}

/* Everything comes from it and goes back. */
BEHAVIOUR_OUTSIDE(all_blocks)
{
    struct stock stock = {.bytes = 0};
    struct aio_runtime_options options = stock_options(&stock);
    AIO_CHECK_EQ(aio_runtime_run(&options, talk_over_a_wire, &stock), 0);
    AIO_CHECK(stock.calls > 4);
    AIO_CHECK_EQ(stock.bytes, 0);
}

static int note_run(void *ran)
{
    *(bool *)ran = true;
    return 0;
}

/* An allocator that has too little is no runtime, and gets all back. */
BEHAVIOUR_OUTSIDE(empty_allocator)
{
    bool ran = false;
    setenv("AIO_LOG", "off", 1);
    for (uint64_t limit = 1; !ran; limit += 2000) {
        struct stock stock = {.limit = limit};
        struct aio_runtime_options options = stock_options(&stock);
        int rc = aio_runtime_run(&options, note_run, &ran);
        AIO_CHECK(ran ? rc == 0 : rc == -ENOMEM);
        AIO_CHECK_EQ(stock.bytes, 0);
        REQUIRE(limit < 1000000);
    }
    unsetenv("AIO_LOG");
}

static int spawn_and_stop(void *unused)
{
    enum { MANY = 2000 };
    static struct aio_task *tasks[MANY];
    int count = 0, rc = 0;
    (void)unused;
    while (count < MANY &&
           (rc = aio_task_spawn(&tasks[count], task_sleep_forever, NULL, NULL)) == 0)
        count++;
    AIO_CHECK_ERROR(rc, -ENOMEM);
    for (int i = 0; i < count; i++)
        AIO_CHECK_ERROR(task_stop(tasks[i]), -ECANCELED);
    for (int i = 0; i < count; i++)
        if (!AIO_CHECK_OK(aio_task_spawn(&tasks[i], task_sleep_forever, NULL, NULL)))
            return 1;
    for (int i = 0; i < count; i++)
        AIO_CHECK_ERROR(task_stop(tasks[i]), -ECANCELED);
    return 0;
}

/* One that runs out later makes the calls that ask for more fail, and no others. */
BEHAVIOUR_OUTSIDE(allocator_runs_out)
{
    struct stock first = {.bytes = 0};
    struct aio_runtime_options options = stock_options(&first);
    bool ran = false;
    AIO_CHECK_EQ(aio_runtime_run(&options, note_run, &ran), 0);
    struct stock second = {.limit = first.most + 20000};
    options = stock_options(&second);
    AIO_CHECK_EQ(aio_runtime_run(&options, spawn_and_stop, NULL), 0);
    AIO_CHECK_EQ(second.bytes, 0);
}
