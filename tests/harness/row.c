/*
 * Rows at work: options of the row, tests run on it, and whether its backend can be had here.
 */
#include "tests/harness/internal.h"

#include "core/backend.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct test_row *chosen;
static char seed_note[48];
static _Atomic uint64_t random_state;

const struct test_faults *test_faults;
void (*test_fixture_run)(const struct aio_test_case *test);

void test_row_choose(const struct test_row *row)
{
    chosen = row;
}

const struct test_row *test_row(void)
{
    return chosen;
}

struct aio_runtime_options test_options(void)
{
    struct aio_runtime_options options = AIO_RUNTIME_OPTIONS;
    options.backend = chosen->backend;
    options.caps = chosen->caps;
    return options;
}

void test_temporary(char *path, size_t size, const char *folder)
{
    (void)snprintf(path, size, "%s/aio-test-%d-XXXXXX", folder, (int)getpid());
}

int test_run(int (*entry)(void *arg), void *arg)
{
    struct aio_runtime_options options = test_options();
    return aio_runtime_run(&options, entry, arg);
}

/* Each test has a start of its own, so that --test repeats what happened within the suite. */
void test_seed(uint64_t seed, const char *test_name)
{
    uint64_t state = seed;
    for (const char *c = test_name; *c != '\0'; c++)
        state = state * 31 + (unsigned char)*c;
    random_state = state;
    snprintf(seed_note, sizeof seed_note, "seed %llu", (unsigned long long)seed);
}

/* splitmix64, whose state is a counter: threads need no lock. */
uint64_t test_random(void)
{
    uint64_t x = atomic_fetch_add(&random_state, UINT64_C(0x9e3779b97f4a7c15));
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

int64_t test_slowness(void)
{
    unsigned slowness = aio__test_slowness();
    return slowness == 0 ? 1 : (int64_t)slowness;
}

bool test_on_valgrind(void)
{
    return aio__test_on_valgrind();
}

bool test_fail_next(const char *opcode, int error, int count)
{
    if (!chosen->faults || test_faults == NULL)
        return false;
    return test_faults->fail_next(opcode, error, count);
}

static void run_body(const struct aio_test_case *test)
{
    const struct test_extra *extra = test->extra;
    struct aio_runtime_options options = extra->options;
    options.backend = chosen->backend;
    options.caps = chosen->caps;
    if (extra->kind == TEST_TASK)
        aio__test_task(test, &options);
    else if (extra->kind == TEST_OUTSIDE)
        test->body();
    else
        test_fixture_run(test);
}

void test_run_on_row(const struct aio_test_case *test)
{
    const struct test_extra *extra = test->extra;
    aio__watchdog_start(test->name, seed_note,
                        extra->kind == TEST_FIXTURE ? NULL : aio_runtime_dump);
    struct leaks *before = leaks_before();
    if (chosen->faults)
        test_faults->enable(test_random());
    run_body(test);
    if (chosen->faults)
        test_faults->disable();
    leaks_after(before, test);
    aio__watchdog_stop();
}

void test_run_plain(const struct aio_test_case *test)
{
    aio__watchdog_start(test->name, seed_note, NULL);
    struct leaks *before = leaks_before();
    test->body();
    leaks_after(before, test);
    aio__watchdog_stop();
}

static void offload_nothing(struct aio__offload_port *port, struct aio__op *op)
{
    (void)port;
    (void)op;
}

bool test_row_available(const struct test_row *row)
{
    struct aio__offload_port port = {NULL, offload_nothing, offload_nothing};
    struct aio__explain explain = {.length = 0};
    struct aio__backend_params params = {
        .ring_entries = 1024, .caps = row->caps, .offload = &port, .explain = &explain};
    struct aio__backend *backend;
    int rc = aio__backend_choose(&backend, row->backend, &params);
    if (rc == 0) {
        backend->vtable->close(backend);
        return true;
    }
    printf("row %s: no backend \"%s\" here: %s: %s\n", row->name, row->backend, aio_error_name(rc),
           explain.text);
    return false;
}
