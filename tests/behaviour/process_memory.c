/*
 * Processes where memory is short, and on several cores at once.
 */
#define SUITE "process_memory"
#include "tests/behaviour/process_tools.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

/* An allocator that fails once, at the n-th growth from now. */
struct scarce {
    int fail_at;
    bool failed;
};

static void *scarce_resize(void *context, void *block, size_t old_bytes, size_t new_bytes)
{
    struct scarce *scarce = context;
    if (new_bytes > old_bytes && scarce->fail_at > 0 && --scarce->fail_at == 0) {
        scarce->failed = true;
        return NULL;
    }
    if (new_bytes > 0)
        return realloc(block, new_bytes);
    free(block);
    return NULL;
}

/* Each allocation fails in its turn: nothing is left, or what was there is told. */
static int run_scarcely(void *arg)
{
    struct scarce *scarce = arg;
    struct aio_run_options options = AIO_RUN_OPTIONS;
    options.input = "word";
    options.input_bytes = 4;
    options.grace_ns = 0;
    for (int n = 1;; n++) {
        struct aio_process_result result;
        *scarce = (struct scarce){.fail_at = n};
        int rc = aio_process_run(&result, AIO_ARGV("cat"), &options);
        scarce->fail_at = 0;
        if (!AIO_CHECK(rc == 0 || rc == -ENOMEM))
            return 1;
        if (rc == 0 && AIO_CHECK(result.output.bytes != NULL))
            AIO_CHECK_STR(result.output.bytes, "word");
        aio_result_free(&result);
        no_children();
        AIO_CHECK_EQ(task_stats().handles_open, 0);
        AIO_CHECK_EQ(task_stats().tasks_live, 1);
        if (!scarce->failed)
            return rc;
    }
}

BEHAVIOUR_OUTSIDE(every_allocation_fails_once)
{
    struct scarce scarce = {.fail_at = 0};
    struct aio_runtime_options options = test_options();
    options.allocator = (struct aio_allocator){scarce_resize, &scarce};
    AIO_CHECK_EQ(aio_runtime_run(&options, run_scarcely, &scarce), 0);
}

static int spawn_on_each(void *sum)
{
    for (int i = 0; i < 8; i++) {
        struct aio_process_options options = AIO_PROCESS_OPTIONS;
        char text[64];
        options.inherit_fds = true; /* so that close-on-exec alone protects */
        AIO_CHECK_EQ(
            shell_run("readlink /proc/$$/fd/* | grep -c memfd", options, text, sizeof text), 0);
        AIO_CHECK_STR(text, "1\n");
        atomic_fetch_add((atomic_int *)sum, 1);
    }
    return 0;
}

/* Children of several threads neither get each other's descriptors nor each other's ends. */
BEHAVIOUR_OUTSIDE(several_cores)
{
    atomic_int sum = 0;
    struct aio_runtime_options options = test_options();
    options.cores = 3;
    AIO_CHECK_EQ(aio_runtime_run(&options, spawn_on_each, &sum), 0);
    AIO_CHECK_EQ(sum, 24);
    no_children();
}
